"""Named numpy arrays as one zarr v3 group, each array in one shard, and back."""

import hashlib
import importlib.util
import json
import threading
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore, StorePath

from graphium.errors import StoreError
from graphium.store.fault_points import reach
from graphium.store.layout import CHUNK_BYTES, CHUNK_ROWS, ZSTD_LEVEL, ZSTD_LEVELS

_ONE_READER = threading.Lock()
"""zarr's configuration is that of the whole process, and another thread may read ahead."""


def write_arrays(
    folder: Path,
    arrays: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write a new zarr group. Nothing is durable before ``files.sync_tree`` has walked over it.

    Args:
        folder: The group; it must not exist.
        arrays: Content by name; the first dimension is divided into chunks.
        attributes: Attributes of some arrays by name.
    """
    group = zarr.create_group(folder, zarr_format=3)
    reach("arrays.group")
    for name, array in arrays.items():
        rows = max(len(array), 1)
        row_bytes = max(array.dtype.itemsize * int(np.prod(array.shape[1:])), 1)
        chunk = max(1, min(rows, CHUNK_ROWS, CHUNK_BYTES // row_bytes))
        target = group.create_array(
            name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=(chunk, *array.shape[1:]),
            shards=(-(-rows // chunk) * chunk, *array.shape[1:]),
            # The checksum must come last: crc32c finds every flipped bit, zstd alone about half.
            compressors=(ZstdCodec(level=ZSTD_LEVELS.get(name, ZSTD_LEVEL)), Crc32cCodec()),
            fill_value=0,
            chunk_key_encoding={"name": "default", "separator": "."},  # c.0: no folder of its own
            attributes=dict(attributes.get(name, {})),
            # An absent chunk reads as zeros without a word, so zeros are written too.
            config={"write_empty_chunks": True},
        )
        target[...] = array
        reach("arrays.array")
    reach("arrays.written")


def read_array(folder: Path, name: str, sha256: str | None = None) -> NDArray[Any]:
    """Read one array of a group whole.

    Args:
        folder: The group.
        name: The array.
        sha256: What ``array_sha256`` said when it was written, where that is known.

    Raises:
        StoreError: If a chunk does not have its checksum, or cannot be read, or the array is not
            the one that was written.
    """
    damaged = f"{folder / name} is damaged"
    try:
        metadata = json.loads((folder / name / "zarr.json").read_bytes())
        store = LocalStore(folder, read_only=True)
        # The fast pipeline decodes without looking at the checksums of chunks.
        with _ONE_READER, zarr.config.set({} if sha256 is None else _fast_pipeline()):
            # ``zarr.open_array`` does the same in three times the time.
            array = zarr.Array.from_dict(StorePath(store, name), metadata)
            content = np.asarray(array[...])
    except (ValueError, TypeError, RuntimeError, OSError, KeyError) as error:
        raise StoreError(
            f"{damaged}: {error}. "
            "`graphium data verify` names every damaged file; remove the store to make it anew."
        ) from error
    if sha256 is not None and array_sha256(content) != sha256:
        raise StoreError(
            f"{damaged}: it holds other values than were written. "
            "Remove the store's folder and prepare the table again."
        )
    return content


@cache
def _fast_pipeline() -> dict[str, str]:
    """Return options that have zarr read through ``zarrs``, where it is installed."""
    if importlib.util.find_spec("zarrs") is None:
        return {}
    importlib.import_module("zarrs")  # makes its pipeline known to zarr
    return {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


def array_sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's content (type, shape, values) in hex."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return non-negative integers in the narrowest of u8, u16, u32 that holds them."""
    largest = int(values.max()) if values.size else 0
    for dtype in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(dtype).max:
            return values.astype(dtype, copy=False)
    raise OverflowError(f"{largest} does not fit 32 bits")


def pack_strings(strings: Iterable[bytes]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return lengths and the bytes of the strings, one after another."""
    lengths, content = [], bytearray()
    for text in strings:
        lengths.append(len(text))
        content += text
    return narrow(np.array(lengths, np.int64)), np.frombuffer(content, np.uint8)


def unpack_strings(lengths: NDArray[Any], content: NDArray[np.uint8]) -> list[str]:
    """Return the strings that ``pack_strings`` packed."""
    raw = content.tobytes()
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    starts = [0, *ends][: len(ends)]
    return [raw[start:end].decode() for start, end in zip(starts, ends, strict=True)]
