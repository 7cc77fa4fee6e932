"""Rows that hang, crash or eat memory on purpose: how tests see what a hostile molecule would do.

Set only by the environment variable ``GRAPHIUM_WORKER_FAULTS`` of a process that prepares or
predicts: a JSON object of SMILES -> kind of fault. No table and no option reaches it.
"""

import ctypes
import json
import os
import re
import time
from collections.abc import Mapping
from typing import Literal

import numpy as np

from graphium.errors import UsageError

VARIABLE = "GRAPHIUM_WORKER_FAULTS"

Fault = Literal["hang", "sleep", "crash", "exit", "memory"]


def planned_faults() -> Mapping[str, Fault]:
    """Return what the environment asks for, usually nothing."""
    plan: dict[str, Fault] = json.loads(os.environ.get(VARIABLE, "{}"))
    return plan


def commit(fault: Fault) -> None:
    """Do what a hostile molecule might do inside RDKit."""
    match fault:
        case "hang":
            re.match(r"(a+)+$", "a" * 64 + "b")  # years in C code that holds the interpreter's lock
        case "sleep":
            time.sleep(1e6)
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "memory":
            hoard = []
            while True:
                hoard.append(np.empty(1 << 26, np.uint8))  # not written to: it fills no real memory
        case _:
            raise UsageError(f"{VARIABLE} names no fault '{fault}'")
