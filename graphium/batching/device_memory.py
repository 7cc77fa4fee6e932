"""Copies arrays to the memory of a device, and says before whether they will fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphium.errors import UsageError

BLOCK_ELEMENTS = 1 << 24
"""Elements that are copied at once: what the CPU needs beside the arrays that it reads."""


def require_gpu() -> None:
    """Check that there is a GPU to hold a mix.

    Raises:
        UsageError: There is none.
    """
    if not torch.cuda.is_available():
        raise UsageError(
            "batch.held_in is cuda, but torch sees no CUDA GPU; use batch.held_in: ram, or mmap "
            "for data that do not fit several times"
        )


def smallest_type(limit: int) -> np.dtype[Any]:
    """Return the smallest integer type, of those that torch computes with, for 0 to limit - 1."""
    for kind in (np.uint8, np.int16, np.int32):
        if limit - 1 <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


def copied(
    read: Callable[[slice], NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    device: torch.device,
) -> Tensor:
    """Return an array as a tensor of its own on ``device``, copied block by block.

    Args:
        read: Returns some rows of the array.
        shape: Of the whole array.
        dtype: Of the tensor.
        device: Where to copy it.
    """
    out = torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, device=device)
    rows = max(1, BLOCK_ELEMENTS // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], rows):
        block = slice(start, min(start + rows, shape[0]))
        out[block] = torch.from_numpy(read(block).astype(dtype))  # the copy may be written to
    return out


def uploaded(
    groups: Sequence[Sequence[NDArray[np.int64]]], device: torch.device
) -> list[list[Tensor]]:
    """Return small arrays as tensors on ``device``, all in one copy that the CPU does not await."""
    arrays = [array for group in groups for array in group]
    together = torch.from_numpy(np.concatenate(arrays))
    if device.type == "cuda":
        together = together.pin_memory()
    moved = together.to(device, non_blocking=True)
    tensors = iter(torch.split(moved, [len(array) for array in arrays]))
    return [[next(tensors) for _ in group] for group in groups]


def same_device() -> Callable[[], None] | None:
    """Return what makes the current GPU of this thread that of another; None: there is none."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return partial(torch.cuda.set_device, torch.cuda.current_device())


def free_bytes(device: torch.device) -> int | None:
    """Return how many bytes of a GPU's memory are free; None: not a GPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


@contextmanager
def room_for(needed: int, free: int | None, device: torch.device) -> Iterator[None]:
    """Refuse to copy what does not fit, before copying or when the device says so.

    Args:
        needed: Bytes to copy.
        free: Bytes that are free, where it is known.
        device: Where to.

    Raises:
        UsageError: The device has not enough memory.
    """
    found = "" if free is None else f" and {free / 1e9:.2f} GB are free"
    too_much = UsageError(
        f"batch.held_in is cuda, but the mix needs {needed / 1e9:.2f} GB of the memory of "
        f"{device}{found}; use batch.held_in: mmap"
    )
    if free is not None and needed > free:
        raise too_much
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise too_much from error
