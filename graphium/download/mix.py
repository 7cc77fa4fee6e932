"""All files of a mix: which there are, what is there already, and having the rest."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graphium.config.sources import SOURCES, DatasetSource, SourceFile, Sources, load_sources
from graphium.config.suggest import did_you_mean
from graphium.download.archives import UNPACKING, ArchiveLimits, unpack
from graphium.download.fetch import Fetched, Way, fetch, read_content
from graphium.download.limits import Limits
from graphium.download.meter import Meter
from graphium.download.pins import Content, Pins
from graphium.download.progress import DownloadProgress
from graphium.download.receive import Budget
from graphium.download.transport import Transport
from graphium.errors import DownloadError, UsageError

VARIABLE = "GRAPHIUM_DATA"
"""Environment variable with the folder of all downloads, which mixes read."""
DOWNLOADS = "downloads"
"""Folder of all downloads where the variable is not set, beside the folders of the mixes."""

_BUSY = ".downloading"
_DATA = Path(__file__).parents[2] / "data"
_MIX = "mix.yaml"


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix that has sources."""

    name: str
    path: Path
    """The file of its sources."""
    sources: Sources

    @property
    def downloads(self) -> Path:
        """Where its files go by default: ``$GRAPHIUM_DATA/NAME``, or ``data/downloads/NAME``."""
        chosen = os.environ.get(VARIABLE)
        root = Path(chosen).expanduser() if chosen else self.path.absolute().parents[1] / DOWNLOADS
        return root / self.name

    def choose(self, only: Sequence[str]) -> dict[str, DatasetSource]:
        """Return the datasets of these names; without names, all that need not be asked for.

        Raises:
            UsageError: If there is no such dataset.
        """
        datasets = self.sources.datasets
        for name in only:
            if name not in datasets:
                raise UsageError(
                    f"{self.path} has no dataset '{name}'{did_you_mean(name, datasets)}; it has "
                    f"{', '.join(datasets)}."
                )
        if only:
            return {name: datasets[name] for name in datasets if name in only}
        return {name: one for name, one in datasets.items() if not one.on_request}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A downloaded file, and the folder it was unpacked into if it is an archive."""

    dataset: str
    file: Fetched
    folder: Path | None


def find_mix(word: str) -> Mix:
    """Find a mix by its name, its folder, or a file in it.

    Args:
        word: A name in ``data/`` (of the working directory, or of the clone that graphium runs
            from), a folder, a ``mix.yaml`` or ``sources.yaml``.

    Raises:
        UsageError: If there is none, or it has no sources.
        ConfigError: If its sources are not valid.
    """
    path = Path(word)
    places = [path]
    if "/" not in word and word not in (os.curdir, os.pardir):
        places = [Path("data") / word, _DATA / word, path]
    for place in places:
        if place.is_dir():
            return _mix_in(place, place / SOURCES)
        if place.is_file():
            is_mix = place.name == _MIX
            return _mix_in(place.parent, place.parent / SOURCES if is_mix else place)
    names = sorted({one.parent.name for root in (Path("data"), _DATA) for one in _all_in(root)})
    known = f"there are {', '.join(names)}" if names else "there is none in data/"
    raise UsageError(
        f"There is no mix '{word}'{did_you_mean(word, names)}; {known}. Give its name, its folder, "
        f"or its {_MIX}."
    )


def _all_in(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/{SOURCES}"))


def _mix_in(folder: Path, path: Path) -> Mix:
    if not path.is_file():
        raise UsageError(f"{folder} has no {SOURCES}, so nobody knows where its files come from.")
    return Mix(folder.resolve().name, path, load_sources(path))


def state_of(file: SourceFile, folder: Path) -> tuple[Literal["there", "part", "absent"], int]:
    """Return whether a file is in a folder, and how many bytes of it; nothing is read."""
    with suppress(FileNotFoundError):
        return "there", (folder / file.name).stat().st_size
    with suppress(FileNotFoundError):
        return "part", (folder / f"{file.name}.part").stat().st_size
    return "absent", 0


def download(
    datasets: Mapping[str, DatasetSource],
    folder: Path,
    limits: Limits,
    progress: DownloadProgress,
    archive_limits: ArchiveLimits | None = None,
) -> Iterator[Unpacked]:
    """Have all files of some datasets; yield each when it is there and checked.

    Args:
        datasets: What to download.
        folder: Where the files go; is made.
        limits: When to give up.
        progress: Shows what happens.
        archive_limits: What may come out of an archive.

    Raises:
        DownloadError: At the first file that cannot be had, is not what it should be or for which
            there is no room. The files before it stay.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _BUSY).touch()
    except OSError as error:
        raise _unwritable(folder, error) from error
    with _alone_in(folder):
        for left_over in (*folder.glob(f"{UNPACKING}*"), *folder.glob(".tmp-*.json")):
            _remove(left_over)
        pins = Pins(folder)
        _refuse_too_much(datasets, folder, pins, limits)
        budget = Budget(limits.max_bytes, limits.max_bytes)
        transport = Transport(limits.timeout, limits.redirects)
        way = Way(folder, pins, transport, limits, budget, progress.say)
        for name, dataset in datasets.items():
            for file in dataset.files:
                with progress.file(file.name, file.size) as meter:
                    one = _have(name, file, way, meter, archive_limits or ArchiveLimits())
                yield one


def _have(
    dataset: str, file: SourceFile, way: Way, meter: Meter, limits: ArchiveLimits
) -> Unpacked:
    try:
        fetched = fetch(file, way, meter)
        return Unpacked(
            dataset, fetched, _unpack_once(file, fetched, way, limits) if file.unpack else None
        )
    except OSError as error:
        raise _unwritable(way.folder, error) from error


def _unwritable(folder: Path, error: OSError) -> DownloadError:
    place = error.filename or folder
    return DownloadError(
        f"{place}: {error.strerror or error}. Mend it, or choose another folder with --to."
    )


def _refuse_too_much(
    datasets: Mapping[str, DatasetSource], folder: Path, pins: Pins, limits: Limits
) -> None:
    """Refuse what is known to be too much before the first byte comes."""
    missing = 0
    for dataset in datasets.values():
        for file in dataset.files:
            state, size = state_of(file, folder)
            pin = pins.get(file.name)
            wanted = file.size or (pin.size if pin else 0)
            if state != "there":
                missing += max(wanted - size, 0)
    Budget(limits.max_bytes, limits.max_bytes).refuse(missing, "The files")
    free = shutil.disk_usage(folder).free
    if missing and missing + limits.spare_bytes > free:
        raise DownloadError(
            f"The disk of {folder} has {free:,} bytes free, but {missing:,} are to come and "
            f"{limits.spare_bytes:,} must stay free. Make room, or choose another with --to."
        )


def _unpack_once(file: SourceFile, fetched: Fetched, way: Way, limits: ArchiveLimits) -> Path:
    """Unpack an archive, or check what was unpacked of it before; return the folder."""
    folder = way.folder / file.folder
    pin = way.pins.get(file.name)
    assert pin is not None, "a file with its name is pinned"
    if not folder.exists():

        def note(members: dict[str, Content]) -> None:
            way.pins.put(file.name, pin.model_copy(update={"members": members}))

        unpack(fetched.path, folder, limits, note)
        return folder
    wrong = _why_changed(folder, pin.members)
    if wrong:
        raise DownloadError(
            f"{folder} is not what was unpacked from {file.name}: {wrong}. Remove the folder, and "
            "the same command unpacks it again."
        )
    return folder


def _why_changed(folder: Path, members: Mapping[str, Content] | None) -> str:
    if members is None:
        return "it was there before"
    there = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    for name in [*members, *there]:
        if name not in there:
            return f"{name} is missing"
        if name not in members:
            return f"{name} has been added"
        if read_content(there[name]) != members[name]:
            return f"{name} has been changed"
    return ""


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it is freed when the process ends, however that happens."""
    with (folder / _BUSY).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(
                f"Another graphium downloads into {folder} right now. Wait for it, or choose "
                "another folder with --to."
            ) from error
        except OSError:
            pass  # a file system without locks: nobody can tell
        yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
