"""Runs whose weights are divided over the ranks end where any other run does."""

import json
import os
import socket
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from rank_processes import write_experiment
from rich.console import Console
from safetensors.torch import load_file

from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.errors import StoppedError, UsageError
from graphium.store.prepare import prepare_experiment
from graphium.training.place import Place
from graphium.training.ranks import Ranks, meet
from graphium.training.run import train
from graphium.training.signals import StopSignals
from graphium.training.trainer import refuse_missing_ranks

STOP_AT = 5
STORES = "stores"
OPTIMIZERS = {
    "adamw": {"kind": "adamw", "ema_decay": 0.9, "layer_decay": 0.5, "clip_norm": 0.1},
    "sgd": {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "schedule": "plateau"},
    "muon": {"kind": "muon", "ema_decay": 0.5},
}
BOUNDS = {"adamw": 1e-5, "sgd": 1e-5, "muon": 5e-3}
"""Relative; torch's Muon makes matrices orthogonal in bfloat16, which turns a last bit into 3 %."""
ONE = {"devices": 1, "parallel": "ddp"}
COPIES = {"devices": 2, "parallel": "ddp"}
SHARES = {"devices": 2, "parallel": "fsdp"}
STORIES = {
    "copies": (COPIES, COPIES, None),
    "shares": (SHARES, SHARES, None),
    "shares, stopped": (SHARES, SHARES, STOP_AT),
    "shares, then copies": (SHARES, COPIES, STOP_AT),
    "copies, then shares": (COPIES, SHARES, STOP_AT),
}
"""How a run begins and goes on, and after which step it is stopped."""


class StopAt(pl.Callback):
    """Asks a run to stop after a step."""

    def __init__(self, step: int, flag: StopSignals) -> None:
        self._step, self._flag = step, flag

    def on_train_batch_start(self, trainer, *_) -> None:
        if trainer.global_step == self._step - 1:
            self._flag.asked = 1


def changed(experiment: Experiment, name: str, trainer: dict) -> Experiment:
    options = experiment.model_dump()
    options["optimizer"] = OPTIMIZERS[name]
    options["trainer"] |= trainer
    options["batch"]["accumulate"] = 2
    options["model"]["trunk"] |= {"dropout": 0.0, "depth": 2}
    return Experiment.model_validate(options)


def tell(experiment: Experiment, run: Path, name: str, story: tuple, ranks: Ranks | None) -> None:
    """Train as a story says."""
    begins, goes_on, stop = story
    run.mkdir(exist_ok=True)
    flag = StopSignals()
    watchers = [] if stop is None else [StopAt(stop, flag)]
    console = Console(file=(run / f"said-{os.getpid()}").open("w"))
    more = {"store_root": run.parent / STORES, "ranks": ranks, "console": console}
    if stop is None:
        train(changed(experiment, name, begins), run, **more)
        return
    with pytest.raises(StoppedError):
        train(changed(experiment, name, begins), run, watchers=watchers, asked=flag, **more)
    train(changed(experiment, name, goes_on), run, resume=True, **more)


def train_rank(rank: int, port: int, experiment: Experiment, folder: str) -> None:
    torch.set_num_threads(1)
    place = Place(rank, 2, rank, 2, "127.0.0.1", port)
    config = changed(experiment, "adamw", SHARES).trainer
    ranks = Ranks(place, meet(place, 60), config, on_gpu=False)
    for name in OPTIMIZERS:
        for which, story in STORIES.items():
            tell(experiment, Path(folder, f"{name}-{which}"), name, story, ranks)
    halfway = Path(folder, "halfway")
    tell_half(experiment, halfway, ranks)
    for parallel in ("ddp", "fsdp"):
        trainer = SHARES | {"parallel": parallel, "precision": "bf16-mixed"}
        story = trainer, trainer, None
        tell(experiment, Path(folder, f"bf16-{parallel}"), "adamw", story, ranks)
    ranks.leave()


def tell_half(experiment: Experiment, run: Path, ranks: Ranks) -> None:
    """Begin what one process will go on with."""
    run.mkdir(exist_ok=True)
    flag = StopSignals()
    divided = changed(experiment, "adamw", SHARES)
    stop = [StopAt(STOP_AT, flag)]
    with pytest.raises(StoppedError):
        train(divided, run, watchers=stop, asked=flag, store_root=run.parent / STORES, ranks=ranks)


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of the last checkpoint: weights, averages and optimiser."""
    last = run / "checkpoints" / "last"
    found = load_file(last / "model.safetensors")
    training = load_file(last / "training.safetensors")
    return found | {k: v for k, v in training.items() if "optim" in k or "trained" in k}


def assert_near(found: dict, expected: dict, bound: float) -> None:
    """Every tensor has the shape of the other, and is as near to it as rounding lets it be."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        assert float((found[name] - value).norm()) <= bound * float(value.norm()), name


def test_one_process_has_nothing_to_divide(tmp_path):
    experiment = load_config(write_experiment(tmp_path), ["trainer.parallel=fsdp"]).experiment
    with pytest.raises(UsageError, match=r"and there is one; set trainer\.devices"):
        refuse_missing_ranks(experiment, None)


@pytest.mark.dist
@pytest.mark.slow
def test_a_run_of_shares_ends_where_others_do_and_goes_on_in_any_way(tmp_path):
    experiment = load_config(write_experiment(tmp_path)).experiment
    prepare_experiment(experiment, tmp_path / STORES, workers=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(train_rank, (port, experiment, str(tmp_path)), nprocs=2)

    for name in OPTIMIZERS:
        alone = tmp_path / f"{name}-alone"
        tell(experiment, alone, name, (ONE, ONE, None), None)
        expected = tensors(alone)
        found = {story: tensors(tmp_path / f"{name}-{story}") for story in STORIES}
        for story in STORIES:
            assert_near(found[story], expected, BOUNDS[name])
        straight, stopped = found["shares"], found["shares, stopped"]
        assert all(torch.equal(stopped[key], straight[key]) for key in straight)
        results = json.loads((tmp_path / f"{name}-shares" / "results.json").read_text())
        reference = json.loads((alone / "results.json").read_text())
        assert results["parameters"] == reference["parameters"]
        assert results["tasks"]["a"]["val"]["mae"] == pytest.approx(
            reference["tasks"]["a"]["val"]["mae"], rel=1e-3
        )
    train(
        changed(experiment, "adamw", ONE),
        tmp_path / "halfway",
        store_root=tmp_path / STORES,
        resume=True,
    )
    half, alone = tensors(tmp_path / "halfway"), tensors(tmp_path / "adamw-alone")
    assert_near(half, alone, BOUNDS["adamw"])
    shares, copies = (
        load_file(tmp_path / f"bf16-{parallel}" / "checkpoints/last/model.safetensors")
        for parallel in ("fsdp", "ddp")
    )
    assert_near(shares, copies, 1e-2)
    said = "".join(path.read_text() for path in (tmp_path / "adamw-shares").glob("said-*"))
    assert said.count("trainer.parallel: fsdp, which is experimental") == 1
