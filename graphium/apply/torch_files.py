"""Reads files that ``torch.save`` wrote, without running anything that they hold."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from graphium.errors import DataError


def read_torch_file(
    path: Path, allowed: str, safe: Sequence[Callable[..., Any] | tuple[Any, str]] = ()
) -> Any:
    """Return what a file holds, if that is tensors, numbers, text and containers of such.

    Args:
        path: The file.
        allowed: What it may hold, in words.
        safe: Types and functions that it may name besides.

    Raises:
        DataError: It cannot be read, is damaged, or names anything else, which could be code.
    """
    try:
        with torch.serialization.safe_globals(list(safe)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} is not read, because it holds more than {allowed}, which could be code, or "
            f"because it is damaged. If you trust its source, have it written anew as {allowed}."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is no file of torch, or damaged: {reason}") from error
