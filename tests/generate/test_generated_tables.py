"""Invented tables have the shape of the real ones, and say that they are invented."""

import fnmatch
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from graphium.config.load import load_config
from graphium.config.recipe import load_recipe
from graphium.generate.values import ColumnMaker, count_features
from graphium.labels.table import open_table
from tests.generate.conftest import REPOSITORY

COUNTS = {
    "toymix": {"qm9": 19, "tox21": 12, "zinc": 3},
    "largemix": {
        **{"l1000_vcap": 978, "l1000_mcf7": 978, "pcba_1328": 1328},
        **{"pcqm4m_g25": 25, "pcqm4m_n4": 4},
    },
    "ultralarge": {"pm6_83m_g62": 62, "pm6_83m_n7": 7},
}


@pytest.fixture(scope="module", params=COUNTS)
def mix(request, write_mix, tmp_path_factory):
    root = tmp_path_factory.mktemp("generated")
    write_mix(request.param, root / request.param, 250)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("GRAPHIUM_DATA", "GRAPHIUM_TEST_DATA"):
            patch.setenv(variable, str(root))
        yield request.param, load_config(REPOSITORY / "expts" / request.param / "gine.yaml")


def test_a_mix_finds_in_them_the_columns_and_parts_that_it_names(mix):
    name, loaded = mix
    experiment = loaded.experiment
    for task, count in COUNTS[name].items():
        config = experiment.tasks[task]
        columns = open_table(experiment.datasets[config.dataset].table).columns
        found = {column for label in config.labels for column in fnmatch.filter(columns, label)}
        assert len(found) == count, task
    assert all(Path(one.split.file).is_file() for one in experiment.datasets.values())


def test_every_row_has_a_part_and_a_report_tells_what_is_invented(mix):
    name, loaded = mix
    folder = Path(next(iter(loaded.experiment.datasets.values())).table).parent
    report = json.loads((folder / "generated.json").read_text())

    assert report["mix"] == name
    assert "invented" in report["values"]
    for written in report["tables"].values():
        assert sum(written["parts"].values()) == written["rows"] == 250


def test_names_that_nobody_knows_are_called_invented_in_the_file_itself(write_mix, tmp_path):
    write_mix("ultralarge", tmp_path, 40)
    for path in tmp_path.glob("pm6_processed_*.parquet"):
        note = json.loads(pq.read_schema(path).metadata[b"graphium"])
        assert (
            "invented: those of the real table are not known" in note["tables"]["pm6_83m"]["names"]
        )
    assert len(list(tmp_path.glob("pm6_processed_*.parquet"))) == 20


def test_equal_seeds_give_equal_files_and_others_do_not(write_mix, tmp_path):
    first, again, other = (
        write_mix("toymix", tmp_path / name, 60, seed=seed)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    for path in first.glob("*.csv.gz"):
        assert path.read_bytes() == (again / path.name).read_bytes()
        assert path.read_bytes() != (other / path.name).read_bytes()
    tables = [pd.read_parquet(one / "qm9_19props_28k.parquet") for one in (first, again, other)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert (tables[0]["homo"] != tables[2]["homo"]).all()


def make(mix, table, columns, smiles):
    """The cells of one group of columns, as float64 [R, L]."""
    recipe = load_recipe(REPOSITORY / "data" / mix / "generate.yaml").tables[table]
    random = np.random.default_rng(0)
    maker = ColumnMaker.draw(recipe.columns[columns], random)
    arrays = maker.make(count_features(smiles), [None] * len(smiles), random)
    return np.stack([one.to_numpy(zero_copy_only=False).astype(float) for one in arrays], 1)


@pytest.fixture(scope="module")
def smiles(smiles_file):
    return smiles_file.read_text().split()[:1000]


def test_assays_have_the_shares_of_labels_and_of_actives_of_the_recipe(smiles):
    values = make("largemix", "pcba_1328", 0, smiles)
    known = ~np.isnan(values)

    assert known.mean() == pytest.approx(0.108, rel=0.02)
    assert set(np.unique(values[known])) == {0, 1}
    assert values[known].mean() == pytest.approx(0.02, rel=0.2)


def test_classes_have_the_shares_of_the_recipe(smiles):
    values = make("largemix", "l1000_vcap", 0, smiles)
    shares = [(values == one).mean() for one in range(5)]

    assert shares == pytest.approx([0.007, 0.021, 0.943, 0.022, 0.007], rel=0.15)


def test_numbers_have_the_scale_of_the_recipe_and_depend_on_the_molecule(smiles):
    values = make("ultralarge", "pm6_83m", 2, smiles)  # mean 300, deviation 120

    assert values.mean() == pytest.approx(300, abs=100)
    assert 60 < values.std(0).mean() < 240
    counts = count_features(smiles)
    design = np.c_[counts, np.ones(len(counts))]
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert (1 - (values - fitted).var(0) / values.var(0)).mean() > 0.1  # noise alone: 0.007
