"""Reads a store, mixes, an experiment and a model under an audit hook, as they are and hostile.

A program of its own: an audit hook stays until its process ends. It prints a JSON object.

Usage: python read_under_audit.py FOLDER   (with ``experiment.yaml`` in it)
"""

import hashlib
import io
import itertools
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from graphium.apply.model import load_model
from graphium.batching.mix import open_mix
from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import read_training, verify_checkpoint
from graphium.checkpoint.manifest import Manifest
from graphium.checkpoint.save import write_checkpoint
from graphium.config.load import load_config
from graphium.errors import GraphiumError
from graphium.nn.build import build_network
from graphium.store.manifest import sign
from graphium.store.prepare import prepare_experiment, store_path
from graphium.store.read import open_store
from graphium.store.verify import verify_store

# "compile" alone runs nothing: numpy reads the header of a file as a literal.
WATCHED = (
    "pickle.find_class", "exec", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "subprocess.Popen", "ctypes.dlopen", "socket.connect",
)  # fmt: skip

folder = Path(sys.argv[1])
stores, model, mark = folder / "stores", folder / "model", folder / "something-ran"
experiment = load_config(folder / "experiment.yaml").experiment
(dataset,) = experiment.datasets.values()


class Hostile:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (str(mark),)


def prepare():
    """Make what is read."""
    prepare_experiment(experiment, stores, workers=1)
    specs = open_mix(experiment, stores).specs
    network = build_network(experiment.model, experiment.features, specs, seed=0)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=specs, graphium_version="0"
    )
    write_checkpoint(model, record, network.state_dict(), {"epoch": 3})


def read_store():
    """Read and verify a store."""
    store = open_store(store_path(dataset, stores))
    store.graphs(), store.labels(["y"]), store.smiles()
    if problems := verify_store(store.path):
        raise GraphiumError(str(problems))


def read_mix():
    """Join the molecules of a mix; a copy of what was opened before would be read in its stead."""
    shutil.rmtree(stores / "opened", ignore_errors=True)
    open_mix(experiment, stores)


def read_model():
    """Verify a checkpoint, read all of it, and predict."""
    verify_checkpoint(model)
    read_training(model)
    load_model(model).predict(["CCO", "c1ccccc1"])


READERS = {
    "experiment.yaml": lambda: load_config(folder / "experiment.yaml"),
    "stores/stores": read_store,
    "model": read_model,
    "stores/opened": lambda: open_mix(experiment, stores, to="mmap"),
    "stores/mixes": read_mix,
}


def read_all():
    """Read everything, the copy of the opened mix after it was made."""
    for read in reversed(READERS.values()):
        read()


def hostile_contents():
    """Return a pickle, a file of torch and one of numpy that run something if unpickled."""
    as_torch, as_numpy = io.BytesIO(), io.BytesIO()
    torch.save(Hostile(), as_torch)
    np.save(as_numpy, np.array([Hostile()], object), allow_pickle=True)
    return [pickle.dumps(Hostile()), as_torch.getvalue(), as_numpy.getvalue()]


def sign_anew(text):
    """Return a JSON file with its own digest made to fit again, where it has one."""
    content = json.loads(text)
    if "sha256" not in content:
        return text
    if content.get("format") is not None:
        return json.dumps(sign(content)).encode()
    del content["sha256"]
    return Manifest.model_validate(content).render()


def plant(path, content):
    """Replace a file, and make every digest and size of it fit, up to the top.

    Returns:
        What was in the files that changed.
    """
    before, waiting = {}, [(path, content)]
    while waiting:
        file, new = waiting.pop()
        old = file.read_bytes()
        before.setdefault(file, old)
        file.write_bytes(new)
        digests = [hashlib.sha256(one).hexdigest().encode() for one in (old, new)]
        for other in folder.rglob("*.json"):
            text = other.read_bytes()
            if digests[0] in text:
                waiting.append((other, sign_anew(text.replace(*digests))))
    return before


def read_hostile(most=None):
    """Read with one file after the other replaced; return how many there are, and the accepted.

    Args:
        most: Files that are replaced of each kind; None replaces all.
    """
    contents = itertools.cycle(hostile_contents())
    told = {}
    for where, read in READERS.items():
        below = folder / where
        files = [one for one in sorted(below.rglob("*")) if one.is_file()] or [below]
        files = files[::3] if where == "stores/opened" else files  # arrays alike
        told[where] = {"files": len(files), "accepted": []}
        for path in files[:most]:
            content = next(contents).ljust(path.stat().st_size, b"\0")  # a pickle's end is its own
            before = plant(path, content)
            try:
                read()
            except (GraphiumError, ValueError):  # numpy refuses objects by itself
                pass
            else:
                told[where]["accepted"].append(path.name)
            for file, old in before.items():
                file.write_bytes(old)
    return told


def main():
    """Read once to import what is needed, then watched; at the end, show that the hook sees."""
    events = []
    is_watching = False

    def watch(event, args):
        if is_watching and event in WATCHED:
            events.append((event, str(args)[:200]))

    prepare()
    sys.addaudithook(watch)
    read_all()  # imports what it needs
    read_hostile(most=1)
    read_all()  # makes again what a reader has removed
    is_watching = True
    read_all()
    hostile = read_hostile()
    told = {"events": list(events), "hostile": hostile, "something_ran": mark.exists()}
    torch.load(io.BytesIO(hostile_contents()[1]), weights_only=False)
    is_watching = False
    told["hook_sees"] = len(events) > len(told["events"])
    told["payload_works"] = mark.exists()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
