"""An experiment as YAML that loads back equal."""

from collections.abc import Iterator

import yaml

from graphium.config.experiment import Experiment
from graphium.config.options import ROOT, Spot
from graphium.config.yaml_nodes import scalar


def dump_yaml(experiment: Experiment) -> str:
    """Return an experiment as YAML that loads back equal, with every default written out."""
    values = _escaped(experiment.model_dump(mode="json"), ROOT)
    return yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True,
        width=100,
    )  # fmt: skip


def differ(one: Experiment, other: Experiment) -> Iterator[tuple[str, object, object]]:
    """Yield each option that differs: its dotted key, and both values; a missing one is None."""
    ours, theirs = (dict(_leaves(e.model_dump(mode="json"), "")) for e in (one, other))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, child in value.items():
        yield from _leaves(child, f"{key}.{name}" if key else name)


def spelled(value: object) -> str:
    """Return a value of an option as it stands in YAML, on one line."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=float("inf"))
    return text.removesuffix("...\n").strip()


class _Dumper(yaml.SafeDumper):
    """Quotes text that our reader would take for another value."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if scalar(text) == text else "'"
    if not text.isprintable():  # line breaks, Unicode's among them, survive as escapes only
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _escaped(value: object, spot: Spot) -> object:
    """Return the values with the dollars in names of files written as they must be."""
    if isinstance(value, dict):
        return {key: _escaped(child, spot.child(key)) for key, child in value.items()}
    return value.replace("$", "$$") if spot.names_file and isinstance(value, str) else value
