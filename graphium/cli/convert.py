"""``graphium convert``: foreign weights to a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from graphium.cli.train import load_experiment, prepare_missing
from graphium.errors import DataError, UsageError


def convert(
    source: Annotated[Path, typer.Argument(help="A .ckpt of Lightning, or a .pt of tensors.")],
    experiment: Annotated[
        Path, typer.Argument(help="Experiment (YAML) whose network and tasks they are.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options as key=value: model.trunk.width=96")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The new checkpoint; default SOURCE without its ending.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="What names of weights begin with; found by itself.")
    ] = None,
) -> None:
    """Write weights that torch or Lightning saved as a checkpoint of graphium.

    Nothing of the file is run: it is read with weights_only, and what is no tensor is refused or
    left behind. Names and shapes must be those of the experiment's network. Label statistics are
    those of the experiment's training labels, so its stores are opened. The checkpoint can predict
    and be fine-tuned; to resume, it lacks the optimiser.
    """
    console = Console()
    if not source.is_file():
        raise DataError(f"{source} is no file")
    target = source.with_suffix("") if out is None else out
    if target == source:
        raise UsageError(f"{source} has no ending to leave out; name the new checkpoint with --out")
    if target.exists():
        raise UsageError(f"{target} exists; remove it, or name another folder with --out")
    loaded = load_experiment(experiment, overrides or [])
    prepare_missing(loaded, console, workers=0, may_prepare=True)

    from graphium.apply.convert import convert_checkpoint
    from graphium.batching.mix import open_mix
    from graphium.store.prepare import cache_root

    specs = open_mix(loaded, cache_root()).specs
    found = convert_checkpoint(source, target, loaded, specs, prefix=prefix)
    under = f", under '{found}'" if found else ""
    console.print(
        f"{target}: the weights of {source}{under}; use it like a run: graphium predict {target} "
        "TABLE",
        highlight=False,
        soft_wrap=True,
    )
