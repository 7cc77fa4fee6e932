"""Labels that RDKit computes: from a list of SMILES alone to columns that a task can learn."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from graphium.cli.data import app
from graphium.config.data import DatasetConfig
from graphium.errors import DataError
from graphium.graphs.levels import level_sizes
from graphium.molecules.computed import ComputeRequest, compute
from graphium.store.prepare import prepare_dataset, store_path
from graphium.store.read import open_store

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O", "not a SMILES", "C", "C[Pt](C)(Cl)Cl", "[Na+].[Cl-]",
    "C[C@H](N)C(=O)O", "C" * 257, "O",
]  # fmt: skip
ACCEPTED = [text for text in SMILES if " " not in text]
EVERY = [
    "descriptors",
    "morgan_bits",
    "maccs_keys",
    "gasteiger_charge",
    "mmff_bond_length",
    "conformer_distance",
]

CONFORMERS = {"kind": "etkdg", "max_atoms": 100}


def config_of(path, smiles, **options):
    pd.DataFrame({"smiles": smiles}).to_csv(path, index=False)
    return DatasetConfig(table=str(path), **options)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return config_of(
        tmp_path_factory.mktemp("tables") / "only.csv",
        SMILES,
        computed=EVERY,
        conformers=CONFORMERS,
    )


@pytest.fixture(scope="module")
def store(config, tmp_path_factory):
    """A store of two segments."""
    root = tmp_path_factory.mktemp("root")
    return open_store(prepare_dataset("d", config, root, workers=2, segment_rows=5))


@pytest.mark.parametrize("kind", ["descriptors", "morgan_bits", "maccs_keys"])
def test_a_family_is_read_back_as_rdkit_computes_it(store, kind):
    names = [column.name for column in store.columns if column.name.startswith(f"{kind}.")]
    wanted = np.stack(compute(ComputeRequest((kind,)), ACCEPTED).labels[kind]).astype(np.float32)
    known = ~np.isnan(wanted).all(axis=1)
    chosen = [0, 5, 7, 8, len(names) - 1]

    every, some = store.labels(names), store.labels([names[k] for k in chosen])

    assert every.level == "graph"
    assert every.rows.tolist() == np.flatnonzero(known).tolist()
    np.testing.assert_array_equal(every.values, wanted[known])
    np.testing.assert_array_equal(some.values, wanted[known][:, chosen])


def test_labels_of_the_table_and_of_several_families_are_read_together(tmp_path):
    config = config_of(tmp_path / "a.csv", ["O", "CC"], computed=["maccs_keys", "descriptors"])
    pd.DataFrame({"smiles": ["O", "CC"], "y": [1.5, 2.5]}).to_csv(config.table, index=False)
    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))

    table = store.labels(["descriptors.HeavyAtomCount", "y", "maccs_keys.160"])

    assert table.values.tolist() == [[1.0, 1.5, 0.0], [2.0, 2.5, 1.0]]


def test_bits_take_one_bit_each_on_disk(store):
    record = store.record.segments[0]
    assert record.arrays["morgan_bits"].shape == (record.molecules, 256)
    assert record.arrays["maccs_keys"].shape == (record.molecules, 21)


def test_what_is_missing_is_counted_by_reason(store):
    coverage = store.record.coverage
    assert coverage["descriptors"].missing == {"not_finite": 2, "too_big": 1}
    assert coverage["descriptors"].molecules == len(ACCEPTED) - 1
    assert coverage["morgan_bits"].labels == 2048 * len(ACCEPTED)
    assert coverage["gasteiger_charge"].missing == {"no_parameters": 1}
    assert coverage["mmff_bond_length"].missing == {"no_parameters": 1, "too_big": 1}


def test_the_number_of_workers_changes_nothing(config, store, tmp_path):
    again = open_store(prepare_dataset("d", config, tmp_path, workers=1, segment_rows=5))
    assert again.record.content == store.record.content
    assert again.record.coverage == store.record.coverage


def test_labels_follow_their_rows(store, tmp_path):
    order = np.random.default_rng(0).permutation(len(SMILES))
    shuffled = config_of(
        tmp_path / "b.csv", [SMILES[k] for k in order], computed=EVERY, conformers=CONFORMERS
    )
    other = open_store(prepare_dataset("d", shuffled, tmp_path, workers=1))
    before = dict(zip(store.smiles(), range(store.num_molecules), strict=True))
    moved = [before[text] for text in other.smiles()]

    names = ["maccs_keys.1", "descriptors.MolWt", "morgan_bits.80"]
    np.testing.assert_array_equal(other.labels(names).values, store.labels(names).values[moved])
    for name in ("gasteiger_charge", "mmff_bond_length", "conformer_distance"):
        assert lists_of(other, name) == [lists_of(store, name)[k] for k in moved]


def lists_of(store, name):
    """Return the labels of each molecule as text, in which NaN equals NaN."""
    table, graphs = store.labels([name]), store.graphs()
    lengths = level_sizes(table.level, graphs.num_atoms, graphs.num_bonds)
    pieces = np.split(table.values[:, 0], np.cumsum(lengths[table.rows])[:-1])
    found = dict(zip(table.rows.tolist(), (str(piece.tolist()) for piece in pieces), strict=True))
    return [found.get(molecule, "") for molecule in range(store.num_molecules)]


def test_info_says_how_much_and_why_in_a_few_lines(store):
    shown = CliRunner().invoke(app, ["info", str(store.path)])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert len(lines) < 60
    assert any("morgan_bits.* (2048)" in line for line in lines)
    assert any("2 not_finite, 1 too_big" in line for line in lines)


def test_another_fingerprint_is_another_store(tmp_path):
    options = {"computed": ["morgan_bits"]}
    usual = config_of(tmp_path / "a.csv", ["CCO"], **options)
    short = DatasetConfig(table=usual.table, fingerprint={"bits": 60, "radius": 1}, **options)
    assert store_path(usual, tmp_path) != store_path(short, tmp_path)

    store = open_store(prepare_dataset("a", short, tmp_path, workers=1))

    assert [column.name for column in store.columns][-1] == "morgan_bits.59"
    assert store.labels(["morgan_bits.59"]).values.shape == (1, 1)


def test_a_column_of_the_table_cannot_have_the_name_of_a_computed_one(tmp_path):
    config = config_of(tmp_path / "a.csv", ["C"], computed=["maccs_keys"])
    pd.DataFrame({"smiles": ["C"], "maccs_keys.7": [1]}).to_csv(config.table, index=False)
    with pytest.raises(DataError, match=r"has a column 'maccs_keys\.7' already"):
        prepare_dataset("a", config, tmp_path, workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"computed": ["maccs_keys", "maccs_keys"]}, "'maccs_keys' is listed more than once"),
        ({"fingerprint": {"bits": 64}}, "it describes 'morgan_bits'"),
        ({"computed": ["conformer_distance"]}, r"needs coordinates; add `conformers: \{kind"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DatasetConfig(table="a.csv", **options)
