"""The options that a sweep tries: a YAML file of dotted keys, checked against the schema.

    optimizer.lr: {low: 1e-5, high: 1e-2, log: true}
    model.trunk.depth: {low: 2, high: 8, step: 2}
    model.trunk.kind: [gcn, gine]
    model.trunk.learn_epsilon: {choices: [true, false], when: {model.trunk.kind: gine}}

A sampled value becomes an override ``key=value`` of the experiment, so it means what it means on
the command line.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphium.config.explain import dead_end, plain, show
from graphium.config.mistakes import COMMAND_LINE, Mistake, Place, config_error, show_path
from graphium.config.options import ROOT, UNKNOWN, Spot, members, option_names
from graphium.config.suggest import did_you_mean
from graphium.config.unreadable import UnreadableError, read_text
from graphium.config.yaml_nodes import YamlNode, read_yaml
from graphium.errors import ConfigError

NUM_DRAWN = 32
"""Random experiments that are loaded before the first trial."""

_RANGE_KEYS = ("low", "high", "log", "step", "when")
_CHOICE_KEYS = ("choices", "when")

Values = Mapping[str, int | float | str]
"""Sampled values by dotted key: numbers, and choices as JSON."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One option and the values it may take."""

    key: str
    place: Place
    choices: tuple[str, ...] = ()
    """As JSON; empty for a range."""
    low: float = 0.0
    high: float = 0.0
    """The last value that steps from ``low`` reach."""
    step: float | None = None
    is_log: bool = False
    is_integer: bool = False
    when: Mapping[str, tuple[str, ...]] | None = None
    """Choices of options above, without which this one is not sampled."""

    def applies(self, values: Values) -> bool:
        """Whether this option is sampled beside the values of those above it."""
        return all(values.get(key) in allowed for key, allowed in (self.when or {}).items())

    def draw(self, rng: random.Random) -> int | float | str:
        """Return any of the values."""
        if self.choices:
            return rng.choice(self.choices)
        if self.is_log:
            number = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            number = rng.uniform(self.low, self.high)
        if self.step is not None:
            number = self.low + round((number - self.low) / self.step) * self.step
        number = min(max(number, self.low), self.high)
        return round(number) if self.is_integer else number

    def corners(self) -> tuple[int | float | str, ...]:
        """Return every choice, or both ends of the range."""
        if self.choices:
            return self.choices
        ends = (self.low, self.high)
        return tuple(map(int, ends)) if self.is_integer else ends

    def record(self) -> dict[str, Any]:
        """Return what makes this option's search another one."""
        when = {key: list(values) for key, values in (self.when or {}).items()}
        if self.choices:
            return {"choices": list(self.choices), "when": when}
        low, high, step = self.low, self.high, self.step
        return {"low": low, "high": high, "step": step, "log": self.is_log, "when": when}


@dataclass(frozen=True, slots=True)
class Space:
    """All options of a sweep, in the order of the file."""

    dimensions: tuple[Dimension, ...]

    def sample(self, suggest: Callable[[Dimension], int | float | str]) -> dict[str, Any]:
        """Return a value for each option that applies."""
        values: dict[str, int | float | str] = {}
        for dimension in self.dimensions:
            if dimension.applies(values):
                values[dimension.key] = suggest(dimension)
        return values

    def record(self) -> dict[str, Any]:
        """Return the space as plain values."""
        return {dimension.key: dimension.record() for dimension in self.dimensions}


def as_overrides(values: Values) -> list[str]:
    """Return sampled values as ``key=value`` words; a choice is JSON already."""
    return [f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in values.items()]


def shown(value: int | float | str) -> str:
    """Return a value as a person writes it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith('"'):
        return str(json.loads(value))
    return str(value)


def check_space(space: Space, load: Callable[[list[str]], object]) -> None:
    """Load experiments of the space, so that a wrong one is found before the first trial.

    Each choice and each end of a range is tried alone, then ``NUM_DRAWN`` random experiments.

    Args:
        space: The space.
        load: Reads the experiment with overrides.

    Raises:
        ConfigError: An experiment of the space is not valid.
    """
    found: list[Mistake] = []
    for dimension in space.dimensions:
        for value in dimension.corners():
            needed = {key: allowed[0] for key, allowed in (dimension.when or {}).items()}
            if (reason := _refusal({**needed, dimension.key: value}, load)) is not None:
                found.append(Mistake(dimension.place, dimension.key, f"{shown(value)}: {reason}"))
    if found:
        raise config_error(found, "search space")
    rng = random.Random(0)  # noqa: S311  # no secret
    for _ in range(NUM_DRAWN):
        values = space.sample(lambda dimension: dimension.draw(rng))
        if (reason := _refusal(values, load)) is not None:
            together = " ".join(as_overrides(values))
            raise ConfigError(f"the space has experiments that are not valid: {together}: {reason}")


def _refusal(values: Values, load: Callable[[list[str]], object]) -> str | None:
    """Return why an experiment is not valid."""
    try:
        load(as_overrides(values))
    except ConfigError as error:
        lines = str(error).splitlines()[1:] or [str(error)]
        return "; ".join(line.strip().removeprefix(COMMAND_LINE).strip() for line in lines)
    return None


def read_space(path: Path) -> Space:
    """Read the options to try.

    Raises:
        ConfigError: Lists every mistake with its line.
    """
    name = show_path(path)
    try:
        root, found = read_yaml(read_text(path, Place(name)), name)
    except UnreadableError as error:
        raise config_error([error.mistake], "search space") from error
    if root is None or not isinstance(root.value, dict) or not root.value:
        message = (
            "names no option; give lines as 'optimizer.lr: {low: 1e-5, high: 1e-2, log: true}'"
        )
        raise config_error([Mistake(Place(name), "", message)], "search space")
    dimensions: dict[str, Dimension] = {}
    for key, node in root.children.items():
        reader = _Reader(str(key), node, dimensions, found)
        if (dimension := reader.read()) is not None:
            dimensions[dimension.key] = dimension
    if found:
        raise config_error(found, "search space")
    return Space(tuple(dimensions.values()))


def _spot(keys: list[str]) -> Spot:
    spot = ROOT
    for key in keys:
        spot = spot.child(key)
    return spot


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one line of the file."""

    key: str
    node: YamlNode
    above: Mapping[str, Dimension]
    found: list[Mistake]

    def read(self) -> Dimension | None:
        before = len(self.found)
        keys = self.key.split(".")
        spot = _spot(keys)
        if reason := dead_end(keys):
            self._refuse(reason)
            return None
        if spot == UNKNOWN:
            self._refuse(f"unknown option{did_you_mean(self.key, option_names())}")
            return None
        if isinstance(self.node.value, list):
            dimension = self._choice(spot, self.node)
        elif "choices" in self.node.children:
            self._known_keys(_CHOICE_KEYS)
            dimension = self._choice(spot, self.node.children["choices"])
        elif isinstance(self.node.value, dict):
            self._known_keys(_RANGE_KEYS)
            dimension = self._range(spot)
        else:
            self._refuse(
                f"should be a list of choices or {{low: ..., high: ...}}, got {show(self.node)}; "
                f"for one value, say {self.key}={show(self.node)} on the command line"
            )
            return None
        return dimension if len(self.found) == before else None

    def _refuse(self, message: str) -> None:
        self.found.append(Mistake(self.node.place, self.key, message))

    def _known_keys(self, allowed: tuple[str, ...]) -> None:
        for key in self.node.children:
            if key not in allowed:
                words = ", ".join(allowed)
                near = did_you_mean(str(key), allowed)
                self._refuse(f"'{key}' has no meaning here{near}; there is {words}")

    def _choice(self, spot: Spot, node: YamlNode) -> Dimension | None:
        if not isinstance(node.value, list) or len(node.value) < 2:
            self._refuse(f"should be a list of at least two choices, got {show(node)}")
            return None
        choices = [_as_json(spot, one) for one in node.value]
        for i, choice in enumerate(choices):
            if choice in choices[:i]:
                self._refuse(f"the choice {shown(choice)} is written twice")
        return Dimension(self.key, self.node.place, tuple(choices), when=dict(self._conditions()))

    def _range(self, spot: Spot) -> Dimension | None:
        kinds = members(spot.annotation)
        if int not in kinds and float not in kinds:
            self._refuse("takes no numbers, so no range; give a list of choices")
            return None
        is_integer = float not in kinds
        low, high = self._number("low", is_integer), self._number("high", is_integer)
        step = self._number("step", is_integer) if "step" in self.node.children else None
        is_log = "log" in self.node.children and self.node.children["log"].value
        if not isinstance(is_log, bool):
            self._refuse(f"log should be true or false, got {show(self.node.children['log'])}")
            return None
        if low is None or high is None:
            return None
        if low >= high:
            self._refuse(f"low should be below high, got low {low:g} and high {high:g}")
            return None
        if is_log and (low <= 0 or step is not None):
            self._refuse(f"log needs a low above 0, and no step; got low {low:g}")
            return None
        if step is not None and not 0 < step <= high - low:
            self._refuse(f"step should be above 0 and fit between low and high, got {step:g}")
            return None
        if step is None and is_integer and not is_log:
            step = 1
        if step is not None:
            high = low + math.floor((high - low) / step + 1e-9) * step
        return Dimension(
            self.key,
            self.node.place,
            low=low,
            high=high,
            step=step,
            is_log=is_log,
            is_integer=is_integer,
            when=dict(self._conditions()),
        )

    def _number(self, name: str, is_integer: bool) -> float | None:
        node = self.node.children.get(name)
        value = None if node is None else node.value
        if isinstance(value, bool) or not isinstance(value, int if is_integer else int | float):
            what = "an integer" if is_integer else "a number"
            got = "nothing" if node is None else show(node)
            self._refuse(f"{name} should be {what}, got {got}")
            return None
        return value

    def _conditions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        node = self.node.children.get("when") if isinstance(self.node.value, dict) else None
        if node is None:
            return
        if not isinstance(node.value, dict) or not node.value:
            self._refuse(f"when should be like {{model.trunk.kind: gine}}, got {show(node)}")
        for key, values in node.children.items():
            parent = self.above.get(str(key))
            if parent is None or not parent.choices:
                near = did_you_mean(str(key), self.above)
                self._refuse(f"when: '{key}' is no list of choices above this line{near}")
                continue
            spot = _spot(str(key).split("."))
            wanted = values.value if isinstance(values.value, list) else [values]
            allowed = tuple(_as_json(spot, one) for one in wanted)
            for one in allowed:
                if one not in parent.choices:
                    choices = ", ".join(map(shown, parent.choices))
                    self._refuse(f"when: {key} is never {shown(one)}; its choices are {choices}")
            yield str(key), allowed


def _as_json(spot: Spot, node: YamlNode) -> str:
    """Return a choice as JSON, as text where the option is text."""
    is_text = spot.takes_text and node.text is not None and node.value is not None
    return json.dumps(node.text if is_text else plain(node), ensure_ascii=False)
