"""``graphium data download``: the files of a mix from the addresses in its sources."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from graphium.config.sources import DatasetSource, SourceFile
    from graphium.download.mix import Mix

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STATES = {"there": "there", "part": "in part", "absent": "to come"}


def download(
    mix: Annotated[
        str,
        typer.Argument(
            help="A mix by name (toymix, largemix, ultralarge), its folder, or its mix.yaml.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the files; default: $GRAPHIUM_DATA/MIX, or downloads/MIX in data/.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATASET",
            help="Only this dataset of the mix; may be given again.",
            show_default=False,
        ),
    ] = None,
    max_size: Annotated[
        float,
        typer.Option(metavar="GB", min=0, help="Receive no more than this in one call."),
    ] = 100.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts in a row without progress before giving up.")
    ] = 5,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Longest silence of a server.")
    ] = 30.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List files, sizes and places; ask no server.")
    ] = False,
) -> None:
    """Download the files of a mix, check them, and go on where an earlier call was interrupted.

    Each file stands under its name only when it is whole and has the size and checksum that its
    source gives. Where none is known, the first download decides: checksums.lock.json beside the
    files keeps the SHA-256, and a file that has changed since is an error. Files that are there
    are only checked.
    """
    from graphium.config.mistakes import show_path
    from graphium.download.limits import GIGABYTE, Limits
    from graphium.download.mix import VARIABLE, find_mix
    from graphium.download.mix import download as download_files
    from graphium.download.progress import DownloadProgress

    found = find_mix(mix)
    datasets = found.choose(only or [])
    folder = found.downloads if to is None else to
    shown = Path(show_path(folder))
    if dry_run:
        _list(found, datasets, shown)
        return
    limits = Limits(attempts=attempts, timeout=timeout, max_bytes=round(max_size * GIGABYTE))
    count = size = 0
    with DownloadProgress() as progress:
        for one in download_files(datasets, folder, limits, progress):
            note = {"downloaded": "downloaded", "there": "unchanged", "found": "found, pinned"}
            typer.echo(
                f"{one.dataset}: {one.file.path.name}, {one.file.size:,} bytes, "
                f"SHA-256 {one.file.sha256[:16]}..., {note[one.file.how]}"
            )
            if one.folder is not None:
                typer.echo(f"  unpacked: {one.folder}")
            count, size = count + 1, size + one.file.size
    typer.echo(f"{_number(count, 'file')}, {_rounded(size)}: {shown}")
    if to is None and VARIABLE not in os.environ:
        typer.echo(f"experiments find them with: export {VARIABLE}={folder.parent.absolute()}")
    typer.echo(f"licences: {'; '.join(f'{one}: {datasets[one].licence}' for one in datasets)}")
    _echo_notes(datasets)


def _list(mix: "Mix", datasets: "Mapping[str, DatasetSource]", folder: Path) -> None:
    from graphium.download.mix import state_of
    from graphium.download.pins import Pins

    pins = Pins(folder)
    known = unknown = 0
    typer.echo(f"{mix.name}, to {folder}")
    for name, dataset in datasets.items():
        typer.echo(f"{name}, licence: {dataset.licence}")
        for file in dataset.files:
            pin = pins.get(file.name)
            size = file.size or (pin.size if pin else None)
            state, there = state_of(file, folder)
            if state == "there":
                size = there
            shown = "size unknown" if size is None else _rounded(size)
            typer.echo(
                f"  {file.name}: {shown}, {_checked_by(file, pin is not None)}, "
                f"{_STATES[state]}\n    {file.url}"
            )
            known, unknown = known + (size or 0), unknown + (size is None)
    count = sum(len(dataset.files) for dataset in datasets.values())
    sizes = _rounded(known) if known or not unknown else ""
    more = f"{_number(unknown, 'file')} of unknown size" if unknown else ""
    typer.echo(f"{_number(count, 'file')}, {' and '.join(filter(None, (sizes, more)))}")
    left_out = [name for name in mix.sources.datasets if name not in datasets]
    if left_out:
        typer.echo(f"left out (--only downloads them): {', '.join(left_out)}")
    _echo_notes(datasets)


def _echo_notes(datasets: "Mapping[str, DatasetSource]") -> None:
    for name, dataset in datasets.items():
        if dataset.note is not None:
            typer.echo(f"note on {name}: {' '.join(dataset.note.split())}")


def _checked_by(file: "SourceFile", is_pinned: bool) -> str:
    if file.sha256 is not None:
        return "SHA-256 known"
    if is_pinned:
        return "SHA-256 pinned"
    return "MD5 known, SHA-256 pinned when it comes" if file.md5 else "SHA-256 pinned when it comes"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _rounded(size: int) -> str:
    amount, unit = float(size), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:,.3g} {_UNITS[unit]}"
