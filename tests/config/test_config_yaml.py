"""The reader of YAML: what scalars mean, where they stand, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.config.unreadable import MAX_DEPTH, MAX_NODES, UnreadableError
from graphium.config.yaml_nodes import read_yaml, scalar


def read(text):
    node, mistakes = read_yaml(text, "x.yaml")
    assert not mistakes
    return node


def refusal(text):
    with pytest.raises(UnreadableError) as caught:
        read_yaml(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4e-5", 4e-5), ("1E3", 1000.0), (".5", 0.5), ("-1.", -1.0), ("+7", 7), ("012", 12),
        ("0x1F", 31), ("0o17", 15), ("true", True), ("False", False), ("null", None), ("~", None),
        ("", None),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "No", "y", "1_000", "12:30:45", "2024-01-01", "0o9", "0xg", "1e",
     ".inf", ".nan", "1e999", "4e", "-", ".", "e5", "9" * 5000, "0x" + "f" * 5000],
)  # fmt: skip
def test_what_older_yaml_would_take_for_a_value_stays_text(text):
    assert scalar(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_that_python_prints_is_a_number(number):
    assert scalar(repr(number)) == number


def test_quoted_scalars_are_text():
    node = read("{a: '5', b: \"true\", c: 5}")
    assert [child.value for child in node.value.values()] == ["5", "true", 5]


def test_keys_are_text_whatever_they_look_like():
    assert list(read("{1: a, no: b, null: c, 4e-5: d}").value) == ["1", "no", "null", "4e-5"]


def test_a_value_knows_the_line_and_column_of_its_key_or_of_itself():
    node = read("a:\n  b: [1,\n      2]\n")
    inner = node.value["a"].value["b"]
    assert (inner.place.line, inner.place.column) == (2, 3)
    assert str(inner.value[1].place) == "x.yaml:3"


def test_an_alias_repeats_the_value():
    node = read("a: &x {b: 1}\nc: *x\n")
    assert node.value["c"].value["b"].value == 1
    assert node.value["c"].place.line == 2


def test_a_key_written_twice_names_both_lines_and_the_rest_is_read():
    node, mistakes = read_yaml("a: 1\nb: {c: 1}\na: 2\n", "x.yaml")
    assert [str(one) for one in mistakes] == ["x.yaml:3  a: written twice; first at x.yaml:1"]
    assert node.value["b"].value["c"].value == 1


def test_all_repeated_keys_are_reported_with_their_dotted_names():
    _, mistakes = read_yaml("a: {b: 1, b: 2}\nc: [{d: 1, d: 2}]\n", "x.yaml")
    assert [one.key for one in mistakes] == ["a.b", "c.0.d"]


def test_tags_are_refused_and_never_run():
    _, mistakes = read_yaml("a: !!python/object/apply:os.getcwd []\nb: !!int '5'\n", "x.yaml")
    assert [str(one) for one in mistakes] == [
        "x.yaml:1  a: tags are not allowed, got !!python/object/apply:os.getcwd",
        "x.yaml:2  b: tags are not allowed, got !!int",
    ]


def test_a_tag_of_a_key_is_refused_too():
    _, mistakes = read_yaml("a: {!!int 5: x}\n", "x.yaml")
    assert [str(one) for one in mistakes] == ["x.yaml:1  a: tags are not allowed, got !!int"]


def test_merge_keys_are_refused_with_the_alternative():
    _, mistakes = read_yaml("a: &x {b: 1}\nc: {<<: *x}\n", "x.yaml")
    assert str(mistakes[0]) == (
        "x.yaml:2  c.<<: merge keys are not supported; use extends, or repeat the options"
    )


def test_a_collection_as_a_key_is_refused():
    _, mistakes = read_yaml("? [1, 2]\n: 3\n", "x.yaml")
    assert str(mistakes[0]) == "x.yaml:1  a key must be a word, not a collection"


def test_a_billion_laughs_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert f"more than {MAX_NODES} values" in refusal("\n".join(lines))


@pytest.mark.parametrize("text", ["a: &x [*x]", "[" * 100 + "]" * 100, "[" * 5000 + "]" * 5000])
def test_endless_or_absurd_nesting_is_refused(text):
    assert f"nested deeper than {MAX_DEPTH} levels" in refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3", "x.yaml:2  not YAML at column 2: while parsing a flow sequence, "),
        ("a:\n\tb: 1", "x.yaml:2  not YAML at column 1: while scanning for the next token, "
                       "found character '\\t' that cannot start any token"),
        ("a: *nowhere", "x.yaml:1  not YAML at column 4: found undefined alias"),
        ("a: 1\n---\nb: 2", "x.yaml:2  not YAML at column 1: expected a single document"),
        ("a: 1\nb: \x07", "x.yaml:2  not text: character #x0007 is not allowed"),
    ],
)  # fmt: skip
def test_bad_syntax_names_line_and_column(text, message):
    assert refusal(text).startswith(message)


@pytest.mark.parametrize("text", ['a: "\\ud800"', '"\\udfff": 1'])
def test_half_a_character_is_not_text(text):
    assert refusal(text) == "x.yaml:1  not text: an escape is half of a character"


def test_an_empty_document_is_none():
    assert read("") is None
    assert read("# only a comment\n") is None
