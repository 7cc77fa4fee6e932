"""Any tree that can be kept comes back equal; any other is refused by name."""

import json
import math
from collections import OrderedDict
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from graphium.checkpoint.tree import flatten, unflatten
from graphium.errors import CheckpointError

TORCH_DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16,
    torch.uint32, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.complex64,
]  # fmt: skip
NUMPY_DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"]


@st.composite
def tensors(draw):
    """Tensors of any bits, NaN payloads included, some of them views."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from(TORCH_DTYPES))
    size = math.prod(shape) * dtype.itemsize
    content = draw(st.binary(min_size=size, max_size=size))
    if dtype == torch.bool:
        content = bytes(byte & 1 for byte in content)
    flat = (
        torch.frombuffer(bytearray(content), dtype=dtype) if size else torch.empty(0, dtype=dtype)
    )
    tensor = flat.reshape(shape)
    return tensor.transpose(0, 1) if len(shape) > 1 and draw(st.booleans()) else tensor


numpy_values = st.sampled_from(NUMPY_DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), tensors(), numpy_values,
    numpy_values.filter(lambda a: a.size).map(lambda array: array.reshape(-1)[0]),
)  # fmt: skip
keys = st.one_of(st.text(), st.integers(), st.sampled_from(["$tensor", "$dict", "__metadata__"]))
trees = st.recursive(
    leaves,
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        st.dictionaries(keys, children, max_size=4),
    ),
    max_leaves=12,
)


def through_files(tree):
    encoded, named = flatten(tree)
    stored = safetensors.torch.load(safetensors.torch.save(named))
    return unflatten(json.loads(json.dumps(encoded, allow_nan=False)), stored)


def same(first, second):
    """Equal in type, order and every bit."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, torch.Tensor):
        first, second = first.contiguous(), second.contiguous()
        bits = [t.reshape(-1).view(torch.uint8) for t in (first, second)]
        return first.dtype == second.dtype and first.shape == second.shape and torch.equal(*bits)
    if isinstance(first, np.ndarray | np.generic):
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and first.tobytes() == second.tobytes()
        )
    if isinstance(first, float):
        return first.hex() == second.hex()
    return first == second


@given(trees)
@settings(max_examples=300, deadline=None)
def test_a_tree_comes_back_equal_in_type_order_and_bits(tree):
    assert same(tree, through_files(tree))


def test_the_comparison_of_these_tests_sees_small_differences():
    assert not same([1], [True])
    assert not same((1,), [1])
    assert not same(0.0, -0.0)
    assert not same(torch.zeros(1), torch.zeros(1, dtype=torch.float64))
    assert not same(np.float64(1), 1.0)
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_tensors_that_share_memory_come_back_apart():
    weight = torch.arange(6.0).reshape(2, 3)

    back = through_files({"a": weight, "b": weight, "row": weight[1], "turned": weight.T})
    back["a"].zero_()

    assert torch.equal(back["b"], weight)
    assert torch.equal(back["row"], weight[1])
    assert torch.equal(back["turned"], weight.T)


def test_parameters_come_back_as_tensors_outside_any_graph():
    parameter = torch.nn.Parameter(torch.ones(2))

    back = through_files([parameter, (2 * parameter)])

    assert [type(tensor) for tensor in back] == [torch.Tensor, torch.Tensor]
    assert not any(tensor.requires_grad for tensor in back)


def test_an_ordered_dict_comes_back_as_a_dict_in_the_same_order():
    assert same(through_files(OrderedDict(b=1, a=2)), {"b": 1, "a": 2})


class Colour(IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        1j,
        Path("x"),
        Colour.RED,
        Text("x"),
        object(),
        torch.Size([1]),
        torch.zeros(2).to_sparse(),
        torch.zeros(2, dtype=torch.complex128),
        torch.zeros(2, device="meta"),
        np.array(["text"]),
        np.array([object()]),
        np.str_("text"),
        np.datetime64("2020-01-01"),
        np.zeros(2, ">f8"),
        np.zeros(2, "f4,i4"),
        torch.nn.Linear(1, 1),
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_kept_exactly_is_refused_with_its_place(value):
    with pytest.raises(CheckpointError, match=r"checkpoint\['callbacks'\]\[1\]\['state'\]\[3\]"):
        flatten({"callbacks": ["x", {"state": {3: value}}]})


@pytest.mark.parametrize("key", [1.5, (1, 2), np.int64(1), b"x"])
def test_keys_that_json_cannot_tell_apart_are_refused(key):
    with pytest.raises(CheckpointError, match=r"\['state'\].*key of type"):
        flatten({"state": {key: 1}})


def test_a_tree_that_contains_itself_is_refused():
    tree = {}
    tree["again"] = tree
    with pytest.raises(CheckpointError, match="contain itself"):
        flatten(tree)
