"""What the sections of an experiment allow, by dotted key."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from graphium.config.base import NAMES_FILE, Section
from graphium.config.experiment import Experiment

RENAMED: Mapping[str, str] = {
    "features.random_walk_steps": "features.encodings.random_walk.steps",
    "features.laplacian_eigenvectors": "features.encodings.laplacian.k",
}
"""Options of earlier versions and what took their place."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What the schema says of one dotted key."""

    annotation: Any
    """Type of the value."""
    default: object = None
    """Value when the key is absent, where there is one."""
    names_file: bool = False
    """Whether the value is the name of a file."""

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
    def item(self) -> "Spot | None":
        """What each of several values without names is; None where no list stands."""
        for member in members(self.annotation):
            if get_origin(member) in (list, tuple):
                item = get_args(member)[0]
                return Spot(item, names_file=NAMES_FILE in getattr(item, "__metadata__", ()))
        return None

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

    @property
    def is_value(self) -> bool:
        """Whether one value stands here, without anything below it."""
        is_known = self.annotation is not Any
        return is_known and not self.sections and self.names is None and self.item is None

    @property
    def takes_text(self) -> bool:
        """Whether text is wanted here, and no number or truth value."""
        kinds: set[object] = set()
        for member in members(self.annotation):
            kinds.update(map(type, get_args(member)) if get_origin(member) is Literal else [member])
        return str in kinds and kinds.isdisjoint((bool, int, float))

    def child(self, key: str | int) -> "Spot":
        """What stands one level deeper; ``UNKNOWN`` where nothing may stand."""
        if isinstance(key, int):
            return self.item or UNKNOWN
        if self.names is not None:
            return Spot(self.names["*"])
        for section in self.sections:
            if key in section.model_fields:
                return spot_of(section.model_fields[key])
        return UNKNOWN


ROOT = Spot(Experiment)
"""The experiment itself."""
UNKNOWN = Spot(Any)
"""A key that no section has."""


def spot_of(field: FieldInfo) -> Spot:
    """Return what one field of a section allows."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Spot(field.annotation, default, NAMES_FILE in field.metadata)


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, without ``Annotated`` and ``|``."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(one for part in get_args(annotation) for one in members(part))
    return (annotation,)


def option_names(root: Spot = ROOT) -> list[str]:
    """Return every dotted key, with ``NAME`` where the user chooses one."""
    return list(dict.fromkeys(name for name, _, _ in walk_options(root)))


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


def with_default_kinds(values: object, spot: Spot) -> object:
    """Return plain values in which a section without ``kind`` is said to be of the default one."""
    if isinstance(values, list | tuple):
        return type(values)(with_default_kinds(one, spot.child(i)) for i, one in enumerate(values))
    if not isinstance(values, Mapping):
        return values
    inner = {key: with_default_kinds(one, spot.child(key)) for key, one in values.items()}
    return {"kind": spot.default_kind, **inner} if spot.default_kind else inner
