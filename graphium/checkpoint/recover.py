"""Finds the newest whole checkpoint of a run that was interrupted."""

import itertools
from pathlib import Path

from graphium.checkpoint.load import read_training, verify_checkpoint
from graphium.checkpoint.save import point
from graphium.errors import CheckpointError


def recover(folder: Path) -> list[str]:
    """Make sure that ``last`` is whole: point it to the newest checkpoint that is.

    Damaged ones are set aside as ``damaged-step-N``. A run that is resumed comes to their steps
    again and writes the same once more. One that is newer than ``last`` is not looked at: whoever
    wrote it was killed before ``best`` could follow, and its steps are repeated.

    Args:
        folder: ``checkpoints`` of the run; ``last`` is there.

    Returns:
        What was found and done, in words; nothing where ``last`` is whole.

    Raises:
        CheckpointError: None is whole.
    """
    newest = folder / (folder / "last").readlink().name
    older = [path for path in folder.glob("step-*") if path.name < newest.name]
    said: list[str] = []
    for path in [newest, *sorted(older, reverse=True)]:
        problem = _what_is_wrong(path)
        if problem is None:
            _point_to(folder, path, said)
            return said
        said.append(problem)
        if path.exists():
            said[-1] += f" (kept as {_set_aside(path).name})"
    lines = "".join(f"\n  {line}" for line in said)
    raise CheckpointError(
        f"no checkpoint of {folder} is whole, so there is nothing to resume from; start a new "
        f"run:{lines}"
    )


def _what_is_wrong(path: Path) -> str | None:
    problems = verify_checkpoint(path)
    if problems:
        return "; ".join(problems)
    try:
        read_training(path)
    except CheckpointError as error:
        return str(error)
    return None


def _point_to(folder: Path, path: Path, said: list[str]) -> None:
    best = folder / "best"
    if said:
        point(folder / "last", path)
        said.append(f"going on from {path.name}, the newest that is whole")
    if best.is_symlink() and (not best.exists() or verify_checkpoint(best)):
        best.unlink()
        said.append("the best one so far is among the damaged; the best of what follows is kept")


def _set_aside(path: Path) -> Path:
    for number in itertools.count(1):
        aside = path.with_name(f"damaged-{path.name}" + (f"-{number}" if number > 1 else ""))
        if not aside.exists():
            return path.rename(aside)
    raise AssertionError("unreachable: itertools.count does not end")
