"""Nested Python values as JSON beside named tensors, and back, exactly and without pickle.

JSON keeps None, bool, int, finite float, str, list and dict with str keys. The rest is a mapping
with one key that starts with ``$``:

    {"$tensor": NAME}                   a torch tensor, by its name in the safetensors file
    {"$array": NAME}, {"$scalar": NAME} a numpy array or scalar, kept the same way
    {"$float": "nan"}                   also "inf" and "-inf"
    {"$tuple": [...]}
    {"$dict": [[KEY, VALUE], ...]}      keys that are not str, or that start with ``$``

Anything else is refused by name rather than kept nearly right.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graphium.errors import CheckpointError

MAX_DEPTH = 100
"""Deeper trees are refused: they are circular, or would exhaust the stack of the reader."""

_DTYPES = frozenset({
    torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32,
    torch.uint64, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.complex64,
})  # fmt: skip
_NUMPY_DTYPES = frozenset(
    np.dtype(name)
    for name in (
        "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
        "float16", "float32", "float64", "complex64",
    )
)  # fmt: skip
_FLOATS = {str(value): value for value in (math.nan, math.inf, -math.inf)}


def flatten(tree: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return a tree as JSON values and the tensors that they name.

    Tensors leave their device and their graph; those that share memory come back apart. An
    ``OrderedDict`` comes back as a dict, in the same order.

    Raises:
        CheckpointError: A value has a type that cannot be kept exactly; the message says where.
    """
    flattener = _Flattener()
    return flattener.encode(tree, ""), flattener.tensors


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors takes them: dense, on the CPU, each with memory of its own.

    Raises:
        CheckpointError: A tensor has a type that cannot be kept exactly.
    """
    flattener = _Flattener()
    for name, tensor in tensors.items():
        flattener.keep(tensor, name)
    return flattener.tensors


def unflatten(encoded: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the tree that ``flatten`` was given.

    Raises:
        ValueError, TypeError, KeyError: The JSON is not what ``flatten`` makes.
    """
    if isinstance(encoded, list):
        return [unflatten(item, tensors) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if len(encoded) == 1:
        ((tag, content),) = encoded.items()
        if tag.startswith("$"):
            return _decode(tag, content, tensors)
    return {key: unflatten(item, tensors) for key, item in encoded.items()}


def _decode(tag: str, content: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tag:
        case "$tensor":
            return tensors[content]
        case "$array":
            return tensors[content].numpy()
        case "$scalar":
            return tensors[content].numpy()[()]
        case "$float":
            return _FLOATS[content]
        case "$tuple":
            return tuple(unflatten(item, tensors) for item in content)
        case "$dict":
            return {unflatten(key, tensors): unflatten(value, tensors) for key, value in content}
        case _:
            raise ValueError(f"'{tag}' is not known")


class _Flattener:
    """Encodes one tree; ``path`` says where a value stands, as one would write it in Python."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._storages: set[int] = set()

    def encode(self, value: Any, path: str, depth: int = 0) -> Any:
        """Return a value as JSON; its tensors go to ``tensors``."""
        if depth > MAX_DEPTH:
            raise CheckpointError(
                f"the training state is nested more than {MAX_DEPTH} deep at {path[:200]}...; "
                "does it contain itself?"
            )
        kind = type(value)  # exactly: a subclass would come back as its parent
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"$float": str(value)}
        if kind is list or kind is tuple:
            items = self._items(value, path, depth)
            return items if kind is list else {"$tuple": items}
        if kind is dict or kind is OrderedDict:
            return self._mapping(value, path, depth)
        return self._numbers(value, path)

    def _items(self, values: Sequence[Any], path: str, depth: int) -> list[Any]:
        return [self.encode(value, f"{path}[{i}]", depth + 1) for i, value in enumerate(values)]

    def _mapping(self, values: Mapping[Any, Any], path: str, depth: int) -> Any:
        encoded = []
        for key, value in values.items():
            if key is not None and type(key) not in (bool, int, str):
                raise _refusal(path, key, "a key of type")
            encoded.append([key, self.encode(value, f"{path}[{key!r}]", depth + 1)])
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in encoded):
            return dict(encoded)
        return {"$dict": encoded}

    def _numbers(self, value: Any, path: str) -> Any:
        if type(value) in (Tensor, nn.Parameter):
            self.keep(value, path)
            return {"$tensor": path}
        if isinstance(value, np.generic) or type(value) is np.ndarray:
            if value.dtype not in _NUMPY_DTYPES or not value.dtype.isnative:
                raise _refusal(path, value, f"numpy values of {value.dtype!r} in")
            self.keep(torch.from_numpy(np.array(value, order="C")), path)
            return {"$array" if isinstance(value, np.ndarray) else "$scalar": path}
        raise _refusal(path, value, "a value of type")

    def keep(self, tensor: Tensor, path: str) -> None:
        """Add one tensor."""
        is_dense = tensor.layout == torch.strided and not tensor.is_meta
        if tensor.dtype not in _DTYPES or not is_dense:
            raise _refusal(path, tensor, f"a {tensor.layout}, {tensor.dtype} tensor of type")
        tensor = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        if storage in self._storages:
            tensor = tensor.clone()
        self._storages.add(storage)
        self.tensors[path] = tensor


def _refusal(path: str, value: Any, what: str) -> CheckpointError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return CheckpointError(
        f"a checkpoint cannot keep checkpoint{path}: it is {what} {kind}; keep numbers, text, "
        "None, lists, tuples, dicts with str or int keys, tensors and numpy values"
    )
