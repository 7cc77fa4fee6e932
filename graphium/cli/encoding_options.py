"""Encodings that are named on the command line, as in ``graphium data add-encoding``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graphium.cli.table_options import AROUND_TABLE
from graphium.config.compose import read_overrides
from graphium.config.encodings import AnyEncoding, EncodingsConfig
from graphium.config.load import build_experiment, load_config
from graphium.config.mistakes import Mistake, config_error
from graphium.config.suggest import did_you_mean
from graphium.errors import UsageError

_SECTION = "features.encodings."


def read_encodings(words: Sequence[str], like: Path | None = None) -> dict[str, AnyEncoding]:
    """Return the encodings that words name, with their parameters.

    Args:
        words: Names of sections below ``features.encodings``, and ``name.option=value``.
        like: An experiment whose parameters are the defaults; without names, all it has are taken.

    Raises:
        ConfigError: Lists every mistake.
        UsageError: If no encoding is named, or one that cannot be kept.
    """
    names = [word for word in words if "=" not in word]
    options = [word for word in words if "=" in word]
    kinds = EncodingsConfig.kinds()
    unknown = [name for name in names if name not in kinds]
    if unknown:
        raise UsageError(
            f"'{unknown[0]}' is no encoding that a store can keep"
            f"{did_you_mean(unknown[0], kinds)}; those are {', '.join(kinds)}."
        )
    if like is not None:
        overrides = [_SECTION + word for word in options]
        section = load_config(like, overrides).experiment.features.encodings
    else:
        section = _from_words(names, options)
    known = {**section.at("node"), **section.at("edge")}
    off = [name for name in names if name not in known]
    if off:
        raise UsageError(f"{like} has no encoding '{off[0]}': features.encodings.{off[0]} is off.")
    chosen = names or (list(known) if like is not None else [])
    if not chosen:
        raise UsageError(f"Name the encodings to add: {', '.join(kinds)}.")
    unused = [word for word in options if word.split(".")[0].split("=")[0] not in chosen]
    if unused:
        raise UsageError(f"'{unused[0]}' is an option of an encoding that is not named.")
    return {name: known[name] for name in chosen}


def _from_words(names: Sequence[str], options: Sequence[str]) -> EncodingsConfig:
    found: list[Mistake] = []
    on = [f"{_SECTION}{name}={{}}" for name in names]
    words = [*AROUND_TABLE, *on, *(_SECTION + option for option in options)]
    experiment = build_experiment(read_overrides(words, found), found)
    if experiment is None or found:
        raise config_error(map(_shorter, found), "options of the encodings")
    return experiment.features.encodings


def _shorter(mistake: Mistake) -> Mistake:
    """Return a mistake that speaks of the encodings alone."""
    message = mistake.message.replace(_SECTION, "")
    return replace(mistake, key=mistake.key.removeprefix(_SECTION), message=message)
