"""What the sections of an experiment allow, by dotted key."""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from graphium.config.base import Section
from graphium.config.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Spot:
    """What the schema says of one dotted key."""

    annotation: Any
    """Type of the value."""
    default: object = None
    """Value when the key is absent, where there is one."""

    @property
    def sections(self) -> tuple[type[Section], ...]:
        """The sections that may stand here: none for a value, several where ``kind`` chooses."""
        return tuple(
            member
            for member in members(self.annotation)
            if isinstance(member, type) and issubclass(member, Section)
        )

    @property
    def names(self) -> dict[str, Any] | None:
        """Type of the values, under ``*``, where the user chooses the keys (datasets, tasks)."""
        for member in members(self.annotation):
            if get_origin(member) is dict:
                return {"*": get_args(member)[1]}
        return None

    @property
    def is_list(self) -> bool:
        """Whether several values stand here, without names."""
        return any(get_origin(member) in (list, tuple) for member in members(self.annotation))

    @property
    def has_kinds(self) -> bool:
        """Whether a ``kind`` says which options the section has."""
        return any("kind" in section.model_fields for section in self.sections)

    @property
    def default_kind(self) -> str | None:
        """The ``kind`` that an absent one stands for."""
        kind = getattr(self.default, "kind", None)
        if kind is None and len(self.sections) == 1 and self.has_kinds:
            kind = self.sections[0].model_fields["kind"].default
        return kind if isinstance(kind, str) else None

    def of_kind(self, kind: object) -> "type[Section] | None":
        """The section of one kind; the only one, where there is no choice."""
        if len(self.sections) == 1:
            return self.sections[0]
        for section in self.sections:
            if section.model_fields["kind"].default == kind:
                return section
        return None

    def child(self, key: str) -> "Spot | None":
        """What stands one level deeper, or None when nothing may stand there."""
        if self.names is not None:
            return Spot(self.names["*"])
        for section in self.sections:
            if key in section.model_fields:
                return spot_of(section.model_fields[key])
        return None


ROOT = Spot(Experiment)
"""The experiment itself."""


def spot_of(field: FieldInfo) -> Spot:
    """Return what one field of a section allows."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Spot(field.annotation, default)


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, one level of ``Annotated`` and ``|`` removed."""
    if get_origin(annotation) is typing.Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def option_names() -> list[str]:
    """Return every dotted key, with ``NAME`` where the user chooses one."""
    return list(dict.fromkeys(name for name, _, _ in walk_options()))


def walk_options(
    spot: Spot = ROOT, prefix: str = ""
) -> Iterator[tuple[str, type[Section], FieldInfo]]:
    """Yield every option: its dotted key, the section it belongs to, and its field."""
    for section in spot.sections:
        for key, field in section.model_fields.items():
            dotted = f"{prefix}{key}"
            yield dotted, section, field
            inner = spot_of(field)
            if inner.names is not None:
                yield from walk_options(Spot(inner.names["*"]), f"{dotted}.NAME.")
            else:
                yield from walk_options(inner, f"{dotted}.")
