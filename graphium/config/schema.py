"""The options of an experiment as JSON schema (for editors) and as a manual (for the docs)."""

from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from graphium.config.base import Section
from graphium.config.experiment import Experiment
from graphium.config.options import members, spot_of, walk_options


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of experiment files, for editors.

    It is laxer than the loader, since one file need not be a whole experiment: nothing is required
    at the top, of a dataset or of a task, which a file that is extended may give, ``extends`` is
    allowed, and a section without its ``kind`` may be any kind.
    """
    schema = Experiment.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "graphium experiment"
    for partial in (schema, schema["$defs"]["DatasetConfig"], schema["$defs"]["TaskConfig"]):
        partial.pop("required")
    path = {"type": "string"}
    schema["properties"]["extends"] = {
        "anyOf": [path, {"type": "array", "items": path}],
        "description": "Files to start from, relative to this one; what stands here wins.",
    }
    for group in ("datasets", "tasks"):  # names that do not fit the pattern are mistakes
        schema["properties"][group]["additionalProperties"] = False
    _loosen(schema)
    return schema


def _loosen(node: object) -> None:
    """Turn ``oneOf`` into ``anyOf``: without a ``kind`` several kinds may fit."""
    if isinstance(node, dict):
        node.pop("discriminator", None)
        if "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
        for value in node.values():
            _loosen(value)
    elif isinstance(node, list):
        for value in node:
            _loosen(value)


def markdown_reference() -> str:
    """Return the manual of all options, as Markdown: a heading and a table for each section."""
    blocks = [
        "Every option of an experiment with its type, its default and what it means. "
        "`NAME` stands for a name of your choice."
    ]
    tables: dict[tuple[str, type[Section]], list[str]] = {}
    for dotted, section, field in walk_options():
        parent, _, key = dotted.rpartition(".")
        rows = tables.setdefault((parent, section), [])
        row = _row(key, field)
        if row not in rows:  # several kinds of a section may have one section below them
            rows.insert(0 if key == "kind" else len(rows), row)
    for (parent, section), rows in tables.items():
        kind = section.model_fields.get("kind")
        title = f"`{parent}`" if parent else "Top level"
        if kind is not None:
            title += f" of kind `{kind.default}`"
        head = "| option | type | default | meaning |\n|---|---|---|---|"
        blocks.append(f"## {title}\n\n{_one_line(section.__doc__)}\n\n{head}\n" + "\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def _row(key: str, field: FieldInfo) -> str:
    inner = spot_of(field)
    default = "**required**" if field.is_required() else f"`{_show(inner.default)}`"
    if isinstance(inner.default, Section):
        default = f"kind `{inner.default_kind}`" if inner.default_kind else "as below"
    meaning = "Chooses the section." if key == "kind" else _one_line(field.description)
    return "| " + " | ".join((f"`{key}`", _type(field), default, meaning)).replace("\n", " ") + " |"


def _show(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_show(item) for item in value)}]"
    return str(value)


def _type(field: FieldInfo) -> str:
    signs = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"), ("min_length", "at least"))
    limits = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in signs
        if isinstance(getattr(limit, name, None), int | float)
    ]
    return ", ".join((_type_name(field.annotation), *limits))


def _type_name(annotation: Any) -> str:
    """Name a type in words; choices are listed."""
    member, *others = (one for one in members(annotation) if one is not type(None))
    suffix = " or null" if len(members(annotation)) > 1 + len(others) else ""
    if others and get_origin(others[-1]) is tuple:
        return f"{_type_name(member)}, or a list of such{suffix}"
    if others or (isinstance(member, type) and issubclass(member, Section)):
        return f"section{suffix}"
    origin, inner = get_origin(member), get_args(member)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner) + suffix
    if origin is dict:
        return f"{_type_name(inner[1])} by name{suffix}"
    if origin is list:
        return f"list of {_type_name(inner[0])}{suffix}"
    if origin is tuple:
        return f"list of {len(inner)} {_type_name(inner[0])}s{suffix}"
    words = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return words[member] + suffix


def _one_line(text: str | None) -> str:
    """Join a docstring to one line; the first paragraph of several."""
    return " ".join((text or "").split("\n\n")[0].replace("``", "`").replace("|", "\\|").split())
