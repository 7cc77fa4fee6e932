"""Options of one table that is named on the command line, as in ``graphium data prepare FILE``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graphium.config.compose import read_overrides
from graphium.config.data import DatasetConfig
from graphium.config.load import build_experiment
from graphium.config.mistakes import Mistake, config_error
from graphium.errors import UsageError

_OF_TABLE = "datasets.table."
AROUND_TABLE = (
    "name=table",
    "datasets.table={table: _}",
    "tasks.t={dataset: table, labels: [y], loss: mae}",
)
"""An experiment around one table, so that its options are read and explained as in any other."""


def load_dataset(table: str, overrides: Sequence[str] = ()) -> DatasetConfig:
    """Return the options of one table.

    Args:
        table: The table as the shell gave it; variables are not expanded again.
        overrides: ``key=value`` words; the value is YAML, read as those of an experiment are.

    Raises:
        ConfigError: Lists every mistake.
        UsageError: If other files follow the table: the shell has replaced a pattern by them.
    """
    files = [word for word in overrides if "=" not in word and Path(word).is_file()]
    if files:
        raise UsageError(
            f"'{files[0]}' follows the table '{table}', where options are expected as key=value. "
            "For several files of one table, put their pattern in quotes: "
            f"'{Path(table).with_name('*' + Path(table).suffix)}'"
        )
    found: list[Mistake] = []
    words = [*AROUND_TABLE, *(_OF_TABLE + override for override in overrides)]
    experiment = build_experiment(read_overrides(words, found), found)
    if experiment is None or found:
        raise config_error(map(_shorter, found), "options of the table")
    options = experiment.datasets["table"].model_dump(exclude_unset=True)
    return DatasetConfig.model_validate(options | {"table": table})


def _shorter(mistake: Mistake) -> Mistake:
    """Return a mistake that speaks of the table alone."""
    message = mistake.message.replace(_OF_TABLE, "").replace("datasets.table", "table")
    return replace(mistake, key=mistake.key.removeprefix(_OF_TABLE), message=message)
