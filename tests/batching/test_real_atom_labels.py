"""Every table with labels of atoms or bonds, against a reading by RDKit and pandas alone."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from graphium.batching.collate import collate
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.store.prepare import prepare_experiment

# Table, dataset options, and columns by level.
TABLES = {
    "nmr_dft": ("node_level/nmr_dft.parquet", {}, {"node": ["c13_shift_ppm", "h1_shift_mean_ppm"]}),
    "nmr_exp": ("node_level/nmr_exp13c.parquet", {}, {"node": ["c13_shift_ppm"]}),
    "charges": (
        "node_level/atomic_charges_500.parquet",
        {},
        {"node": ["charge", "attached_h_charge_mean"]},
    ),
    "raw_charges": (
        "node_level/atomic_charges_500_raw.csv.gz",
        {"atom_order": "map"},
        {"node": ["charges"]},
    ),
    "raw_charges_with_hydrogens": (
        "node_level/atomic_charges_500_raw.csv.gz",
        {"atom_order": "map", "hydrogens": "written"},
        {"node": ["charges"]},
    ),
    "pm6": (
        "node_level/pm6_like_10.parquet",
        {"atom_order": "map", "smiles": "ordered_smiles"},
        {"node": ["node_charges_mulliken", "node_tddft_charges_lowdin"]},
    ),
    "bde": (
        "bond_level/bde.parquet",
        {},
        {"edge": ["bde_kcal_mol", "bond_u", "bond_v"], "node": ["xh_bde_mean_kcal_mol"]},
    ),
}

SHARE = {"nmr_dft": 6, "nmr_exp": 4}
"""Of tables with thousands of rows, every so many are read; all of them in the slow tests."""
CASES = [
    *((name, SHARE.get(name, 1)) for name in TABLES),
    *(pytest.param(name, 1, marks=pytest.mark.slow) for name in SHARE),
]


def read_table(path):
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    for column in table.columns:
        if isinstance(table[column].iloc[0], str) and table[column].iloc[0].startswith("["):
            with_lists = table[column].map(lambda cell: cell if "[C" in cell else None)
            if with_lists.isna().all():
                table[column] = table[column].map(json.loads)
    return table


def expected_labels(mol, cells, options):
    """The list of each atom, in RDKit's order of the atoms."""
    size = next(len(cell) for cell in cells if cell is not None)
    lists = np.array([[np.nan] * size if cell is None else cell for cell in cells], np.float32).T
    if options.get("atom_order") == "map":
        maps = np.array([atom.GetAtomMapNum() for atom in mol.GetAtoms()])
        first = 0 if "smiles" in options else 1  # that one table counts its atoms from 0
        return lists[maps - first]
    return lists


def every_so_many(path, every, folder):
    """Write a table with every so many rows of one; return where it is."""
    whole = pq.read_table(path)
    pq.write_table(whole.take(list(range(0, whole.num_rows, every))), folder / path.name)
    return folder / path.name


@pytest.mark.parametrize(("name", "every"), CASES)
def test_batches_deliver_the_label_of_each_atom_and_bond(name, every, real_tables, tmp_path):
    file, options, columns = TABLES[name]
    path = real_tables / file
    if every > 1:
        path = every_so_many(path, every, tmp_path)
    table = read_table(path)
    experiment = Experiment.model_validate(
        {
            "name": "t",
            "datasets": {"d": {"table": str(path), **options}},
            "tasks": {
                level: {"dataset": "d", "level": level, "labels": labels, "loss": "mae"}
                for level, labels in columns.items()
            },
        }
    )
    prepare_experiment(experiment, tmp_path, workers=1)
    mix = open_mix(experiment, tmp_path)
    source = mix.sources["d"]
    rows_of = np.bincount(source.molecule[source.molecule >= 0])
    reading = Chem.SmilesParserParams()
    reading.removeHs = options.get("hydrogens") != "written"

    checked = 0
    molecules = np.flatnonzero(rows_of == 1)  # labels of equal molecules are merged
    for first in range(0, len(molecules), 500):
        chunk = molecules[first : first + 500]
        batch = collate(mix.graphs, mix.tasks, chunk, {})
        found = {}
        for level in columns:
            size = len(batch.atom_code) if level == "node" else batch.bond_index.shape[1] // 2
            found[level] = np.full((size, len(columns[level])), np.nan, np.float32)
            found[level][batch.labels[level].rows.numpy()] = batch.labels[level].values.numpy()
        atom = bond = 0
        for molecule in chunk.tolist():
            row = table.iloc[mix.source_row[molecule]]
            mol = Chem.MolFromSmiles(row[options.get("smiles", "smiles")], reading)
            atoms, bonds = (
                slice(atom, atom + mol.GetNumAtoms()),
                slice(bond, bond + len(mol.GetBonds())),
            )
            for level, part in (("node", atoms), ("edge", bonds)):
                if level in columns:
                    cells = [row[column] for column in columns[level]]
                    wanted = expected_labels(mol, cells, options)
                    np.testing.assert_array_equal(found[level][part], wanted)
            ends = batch.bond_index[:, : batch.bond_index.shape[1] // 2].T[bonds] - atom
            assert ends.tolist() == [
                [b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in mol.GetBonds()
            ]
            atom, bond = atoms.stop, bonds.stop
            checked += 1
        assert atom == len(batch.atom_code)

    assert checked > 0.9 * len(table)
    assert mix.report.datasets["d"].rejected == 0
    assert all(task.unaligned == 0 for task in mix.report.tasks.values())
