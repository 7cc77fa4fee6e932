"""The errors users meet: each says what is wrong, where, what was found and what to do.

The command line turns each into one message on stderr and the exit code of its class; anything
else that escapes is a defect of graphium and shows its traceback.
"""

from collections.abc import Sequence


class GraphiumError(Exception):
    """A failure that the user can understand and mend."""

    exit_code = 1


class ConfigError(GraphiumError):
    """The experiment is not valid; the message lists every mistake with its file and line."""

    exit_code = 2


class UsageError(GraphiumError):
    """A command was called in a way that cannot work."""

    exit_code = 2


class DataError(GraphiumError):
    """A table, a split or a label cannot be used as the experiment asks."""

    exit_code = 3


class StoreError(DataError):
    """A store is absent, incomplete or damaged; the message names the file."""


class DownloadError(DataError):
    """A file cannot be had, or is not what its source says; nothing stands under its name."""


class DivergenceError(GraphiumError):
    """A loss of a training is no number any more."""


class CheckpointError(GraphiumError):
    """A checkpoint is absent, damaged, of an unknown version or does not fit the experiment."""


class StoppedError(BaseException):
    """A program was asked to end early; what it has finished is kept.

    Like KeyboardInterrupt, it is no ``Exception``: it may come anywhere, also within an import that
    tries several ways, and nobody on its way may take it for a failure of theirs.

    Args:
        message: What was done.
        requeue: Whether the scheduler is to start the job again.
        is_agreed: All ranks of a run stop, at the same place.
    """

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: not done, try again later

    def __init__(self, message: str, *, requeue: bool, is_agreed: bool = False) -> None:
        super().__init__(message)
        self.requeue = requeue
        self.is_agreed = is_agreed


class FieldError(ValueError):
    """A mistake that involves several options of one experiment, pinned to the option to mend.

    Args:
        key: Path of the option, for example ``("tasks", "qm9", "dataset")``.
        message: What is wrong and what would be right.
    """

    def __init__(self, key: Sequence[str | int], message: str) -> None:
        super().__init__(message)
        self.key = tuple(key)
        self.message = message


class GroupedFieldError(ValueError):
    """Several ``FieldError`` at once: a check of many entries reports all that are wrong.

    Args:
        errors: The mistakes, at least one.
    """

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)


def quoted(text: str, length: int = 80) -> str:
    """Return a user's text for a message: in quotes, shortened, and without control characters."""
    shown = text if len(text) <= length else f"{text[:length]}..."
    return f"'{''.join(one if one.isprintable() else repr(one)[1:-1] for one in shown)}'"


def counted(number: int, word: str) -> str:
    """Return a number with its word for a message: ``1 row``, ``1,200 rows``."""
    return f"{number:,} {word}{'s' * (number != 1)}"
