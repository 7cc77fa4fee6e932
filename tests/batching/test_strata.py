"""Which molecules of which dataset an epoch visits, and which labels a thinned task keeps."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching.datamodule import MolDataModule
from graphium.batching.mix import open_mix
from graphium.batching.sampler import PositionalSampler
from graphium.batching.strata import Stratum
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.errors import ConfigError, DataError
from graphium.store.prepare import prepare_experiment


@given(st.integers(1, 30), st.integers(0, 70), st.integers(1, 12), st.integers(0, 5))
def test_no_molecule_is_visited_again_before_all_have_been(size, visits, epochs, seed):
    stratum = Stratum(np.arange(size) * 3, visits)

    seen = [stratum.visited((seed,), epoch) for epoch in range(epochs)]

    assert [len(one) for one in seen] == [visits] * epochs
    counts = Counter(dict.fromkeys(stratum.molecules.tolist(), 0))
    counts.update(np.concatenate(seen).tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == size


@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 5), st.integers(1, 3))
def test_ranks_divide_the_visits_of_an_epoch_without_loss(size, visits, ranks, accumulate):
    strata = {"a": Stratum(np.arange(size), visits), "b": Stratum(np.arange(size, size + 5), 7)}

    def sampler(world_size=1, accumulate=1):
        return PositionalSampler(np.arange(size + 5), 4, 1, world_size, accumulate, strata)

    divided = sampler(ranks, accumulate)
    seen = [
        divided.micro_batch(2, position, rank)
        for position in range(divided.micro_batches_per_epoch)
        for rank in range(ranks)
    ]

    whole = sampler().order(2)
    assert np.concatenate(seen).tolist() == whole.tolist()
    assert len(whole) == visits + 7
    expected = [one.visited((1, number), 2) for number, one in enumerate(strata.values())]
    assert sorted(whole.tolist()) == sorted(np.concatenate(expected).tolist())


LARGE = "smiles,y,q\n" + "".join(f'{"C" * k}O,{k},"{list(range(k + 1))}"\n' for k in range(1, 41))
SMALL = "smiles,z\n" + "".join(f"{'C' * k}N,{k}\n" for k in range(1, 9)) + "CCO,9\n"


def options(folder, sampling=None, **y):
    out = {
        "name": "t",
        "datasets": {
            name: {
                "table": str(folder / f"{name}.csv"),
                "split": {"kind": "random", "fractions": [1, 0, 0]},
            }
            for name in ("large", "small")
        },
        "tasks": {
            "y": {"dataset": "large", "labels": ["y"], "loss": "mae", **y},
            "q": {"dataset": "large", "labels": ["q"], "loss": "mae", "level": "node"},
            "z": {"dataset": "small", "labels": ["z"], "loss": "mae"},
        },
        "batch": {"size": 8},
    }
    if sampling is not None:
        out["batch"]["sampling"] = sampling
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strata")
    (folder / "large.csv").write_text(LARGE)
    (folder / "small.csv").write_text(SMALL)
    prepare_experiment(Experiment.model_validate(options(folder)), folder, workers=1)
    return folder


def module(folder, sampling=None):
    experiment = Experiment.model_validate(options(folder, sampling))
    return MolDataModule(open_mix(experiment, folder), experiment)


@pytest.mark.parametrize(
    ("sampling", "visits"),
    [
        ({"kind": "fractions", "fractions": {"large": 0.25}}, {"large": 10, "small": 9}),
        ({"kind": "fractions", "fractions": {"large": 0, "small": 2}}, {"small": 18}),
        (
            {"kind": "weights", "weights": {"large": 1, "small": 3}, "epoch_molecules": 20},
            {"large": 5, "small": 15},
        ),
        ({"kind": "fractions", "fractions": {"small": 0.01}}, {"large": 40, "small": 1}),
        ({"kind": "weights", "weights": {"large": 1000, "small": 1}}, {"large": 47, "small": 1}),
        (
            {"kind": "weights", "weights": {"large": 9, "small": 1}, "epoch_molecules": 1},
            {"large": 1, "small": 1},
        ),
        ({"kind": "temperature", "temperature": 1}, {"large": 39, "small": 9}),
        ({"kind": "temperature", "temperature": 2}, {"large": 33, "small": 15}),
        ({"kind": "temperature", "temperature": 1e9}, {"large": 24, "small": 24}),
    ],
)
def test_each_dataset_gets_its_visits(folder, sampling, visits):
    data = module(folder, sampling)

    assert {name: one.visits for name, one in data.strata.items()} == visits
    loader = data.train_dataloader()
    assert sum(batch.num_molecules for batch in loader) == sum(visits.values())
    assert len(loader) == data.steps_per_epoch(1) == -(-sum(visits.values()) // 8)


def test_by_default_every_molecule_is_visited_once_also_one_of_two_datasets(folder):
    data = module(folder)

    keys = np.concatenate([batch.keys.numpy() for batch in data.train_dataloader()])

    assert data.strata is None
    assert sorted(keys.tolist()) == list(range(48))


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        ("{kind: weights, weights: {large: 1}}", "dataset 'small' has no weight"),
        ("{kind: weights, weights: {large: 1, small: -1}}", "greater than or equal to 0"),
        ("{kind: fractions, fractions: {lage: 1}}", "there is no dataset 'lage'"),
        ("{kind: temperature, temperature: 0.5}", "greater than or equal to 1"),
    ],
)
def test_a_wrong_share_is_named_with_its_line(folder, tmp_path, sampling, words):
    lines = Experiment.model_validate(options(folder)).model_dump_json(exclude={"batch"})
    path = tmp_path / "e.yaml"
    path.write_text(f"{lines[:-1]},\nbatch: {{sampling: {sampling}}}}}")

    with pytest.raises(ConfigError, match=r"e.yaml:2") as caught:
        load_config(path)
    assert words in str(caught.value)


def test_an_epoch_without_molecules_is_refused(folder):
    nothing = {"kind": "fractions", "fractions": {"large": 0, "small": 0}}
    with pytest.raises(DataError, match=r"batch.sampling \(fractions\) visits no molecule"):
        module(folder, nothing)


def test_a_small_share_of_labels_is_part_of_a_larger_one(folder):
    kept, atoms = [], []
    for share in (0.1, 0.5, 0.9, 1.0):
        experiment = Experiment.model_validate(options(folder, label_fraction=share))
        mix = open_mix(experiment, folder)
        kept.append(set(mix.source_row[mix.tasks["y"].molecule].tolist()))
        assert len(mix.tasks["z"].molecule) == 9
        atoms.append(len(mix.tasks["q"].molecule))

    assert kept[0] < kept[1] < kept[2] < kept[3] == set(range(40))
    assert 12 <= len(kept[1]) <= 28
    assert atoms == [40] * 4


def test_labels_of_atoms_are_thinned_by_molecule_and_held_out_ones_stay(folder):
    changed = options(folder)
    changed["tasks"]["q"]["label_fraction"] = 0.5
    changed["datasets"]["large"]["split"] = {"kind": "random", "fractions": [0.5, 0.25, 0.25]}
    experiment = Experiment.model_validate(changed)
    whole = open_mix(
        Experiment.model_validate({**changed, "tasks": options(folder)["tasks"]}), folder
    )
    mix = open_mix(experiment, folder)

    def rows(of, part):
        task = of.tasks["q"]
        chosen = of.part[task.molecule] == part
        return set(task.source_row[chosen].tolist())

    assert rows(mix, 1) == rows(whole, 1)
    assert rows(mix, 2) == rows(whole, 2)
    assert rows(mix, 0) < rows(whole, 0)
    unused = len(rows(whole, 0)) - len(rows(mix, 0))
    line = (
        f"  labels of {unused} training rows are not used (label_fraction): they count as missing"
    )
    assert line in mix.report.lines()
    assert not any("label_fraction" in line for line in whole.report.lines())
    task = mix.tasks["q"]
    for row, first, last in zip(task.source_row, task.offset[:-1], task.offset[1:], strict=True):
        assert task.values[first:last, 0].tolist() == list(range(row + 2))
