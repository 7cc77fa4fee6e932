"""One molecule in two tables, written differently: both labels reach the same atom."""

import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from graphium.batching.align import align_pieces
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.identity import join_key
from graphium.molecules.parse import parse_smiles
from graphium.store.prepare import prepare_experiment

SYMMETRIC = [
    "c1ccccc1",
    "C12C3C4C1C5C2C3C45",  # cubane
    "C1C2CC3CC1CC(C2)C3",  # adamantane
    "c1ccc2ccccc2c1",
    "CC(C)(C)c1cc(C(C)(C)C)cc(C(C)(C)C)c1",
    "F[P-](F)(F)(F)(F)F.[Na+]",
    "CC(=O)[O-].CC(=O)[O-].[Ca+2]",
    "C[C@H](F)C[C@@H](F)C",
    "C[C@H](F)C[C@H](F)C",
    "O[C@H]1[C@H](O)[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "F/C=C/C=C/F",
    "C1CC1.C1CC1",
    "[2H]C([2H])([2H])O",
    "C",
    "[Na+].[Cl-]",
]


def rewrite(smiles, dice):
    """The same molecule: atoms renumbered, some hydrogens written, fragments moved, maps added."""
    mol = Chem.MolFromSmiles(smiles)
    if dice.random() < 0.5:
        some = [i for i in range(mol.GetNumAtoms()) if dice.random() < 0.3]
        mol = Chem.AddHs(mol, onlyOnAtoms=some) if some else mol
    order = list(range(mol.GetNumAtoms()))
    dice.shuffle(order)
    mol = Chem.RenumberAtoms(mol, order)
    if dice.random() < 0.5:
        dice.shuffle(order)
        for atom, number in zip(mol.GetAtoms(), order, strict=True):
            atom.SetAtomMapNum(number + 1)
    return Chem.MolToSmiles(mol, canonical=False)


def rewritings(molecules, dice):
    """Pairs of writings that graphium holds to be one molecule."""
    pairs = [(smiles, rewrite(smiles, dice)) for smiles in molecules]
    return [
        (one, other)
        for one, other in pairs
        if not isinstance(parse_smiles(other), RowStatus) and join_key(one) == join_key(other)
    ]


def environments(mol):
    """A number for each atom that depends on its surroundings, never on how they are written."""
    colors = [
        hash((a.GetAtomicNum(), a.GetFormalCharge(), a.GetTotalNumHs(includeNeighbors=True)))
        for a in mol.GetAtoms()
    ]
    for _ in range(12):
        colors = [
            hash((colors[a.GetIdx()], tuple(sorted(colors[n.GetIdx()] for n in a.GetNeighbors()))))
            for a in mol.GetAtoms()
        ]
    return np.array(colors, float) / 2**63


def remoteness(mol):
    """The sum of the distances to all atoms of its fragment."""
    distance = Chem.GetDistanceMatrix(mol)
    return np.where(distance < 1e6, distance, 0).sum(axis=1) + 0.5


def of_bonds(mol, label):
    return np.array([label[b.GetBeginAtomIdx()] * label[b.GetEndAtomIdx()] for b in mol.GetBonds()])


def over_written_atoms(smiles, label, *, bonds=False):
    """The labels of a molecule's atoms, or bonds, as a list over all that its SMILES writes."""
    written = Chem.MolFromSmiles(smiles, sanitize=False)
    for atom in written.GetAtoms():
        atom.SetIntProp("place", atom.GetIdx())
    whole = Chem.SmilesParserParams()
    whole.removeHs = False
    full = Chem.MolFromSmiles(smiles, whole)
    for atom in full.GetAtoms():
        atom.SetIntProp("place", atom.GetIdx())
    kept = [atom.GetIntProp("place") for atom in Chem.RemoveHs(full).GetAtoms()]
    atoms = np.full(written.GetNumAtoms(), 999.0)
    atoms[kept] = label
    if not bonds:
        return atoms.tolist()
    return [
        999.0
        if 999.0 in (atoms[b.GetBeginAtomIdx()], atoms[b.GetEndAtomIdx()])
        else atoms[b.GetBeginAtomIdx()] * atoms[b.GetEndAtomIdx()]
        for b in written.GetBonds()
    ]


def plain(smiles):
    mol = Chem.MolFromSmiles(smiles)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return mol


@pytest.mark.parametrize("count", [250, pytest.param(1_100, marks=pytest.mark.slow)])
def test_labels_of_two_tables_meet_on_the_same_atom(count, pool, tmp_path):
    dice = random.Random(0)
    molecules = [*SYMMETRIC, *pool.sample(count, random_state=5)]
    pairs = rewritings(molecules, dice)
    assert len(pairs) > count
    first, second = [], []
    for one, other in pairs:
        first.append({"smiles": one, "environment": environments(plain(one)).tolist()})
        away = remoteness(plain(other))
        second.append(
            {
                "smiles": other,
                "remoteness": over_written_atoms(other, away),
                "product": over_written_atoms(other, away, bonds=True),
            }
        )
    dice.shuffle(second)
    for name, rows in (("first", first), ("second", second)):
        table = pd.DataFrame(rows)
        lists = table.columns.drop("smiles")
        table[lists] = table[lists].map(json.dumps)
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    experiment = Experiment.model_validate(
        {
            "name": "t",
            "datasets": {
                "first": {
                    "table": str(tmp_path / "first.csv"),
                    "levels": {"environment": "node"},
                },
                "second": {
                    "table": str(tmp_path / "second.csv"),
                    "levels": {"remoteness": "node", "product": "edge"},
                    "atom_order": "smiles",
                },
            },
            "tasks": {
                label: {"dataset": dataset, "level": level, "labels": [label], "loss": "mae"}
                for dataset, level, label in (
                    ("first", "node", "environment"),
                    ("second", "node", "remoteness"),
                    ("second", "edge", "product"),
                )
            },
        }
    )
    prepare_experiment(experiment, tmp_path / "root", workers=1)
    mix = open_mix(experiment, tmp_path / "root")

    assert mix.report.shared == {"first + second": len(mix.part)}
    assert {name: task.unaligned for name, task in mix.report.tasks.items()} == dict.fromkeys(
        mix.tasks, 0
    )
    row_of = {
        name: dict(zip(t.molecule.tolist(), range(len(t.molecule)), strict=True))
        for name, t in mix.tasks.items()
    }
    for molecule, smiles in enumerate(mix.smiles()):
        mol = plain(smiles)
        away = remoteness(mol)
        wanted = {
            "environment": environments(mol),
            "remoteness": away,
            "product": of_bonds(mol, away),
        }
        for name, values in wanted.items():
            if not len(values):
                continue
            task = mix.tasks[name]
            row = row_of[name][molecule]
            found = task.values[task.offset[row] : task.offset[row + 1], 0]
            np.testing.assert_allclose(found, values, rtol=1e-5, err_msg=f"{name} of {smiles}")


def assert_is_the_same_graph(block, row, target, atoms, bonds):
    """Check that moving atoms and bonds so turns the one molecule into the other one."""
    first_atom, first_bond = block.atom_offsets(), block.bond_offsets()

    def parts(molecule):
        ends = block.bond_ends[first_bond[molecule] : first_bond[molecule + 1]].astype(int)
        types = block.bond_table[
            block.bond_code[first_bond[molecule] : first_bond[molecule + 1]], 0
        ]
        table = block.atom_table[block.atom_code[first_atom[molecule] : first_atom[molecule + 1]]]
        return ends, types, table[:, :4]  # element, charge, isotope, radicals

    ends, types, elements = parts(row)
    target_ends, target_types, target_elements = parts(target)
    assert sorted(atoms.tolist()) == list(range(len(elements)))
    np.testing.assert_array_equal(elements[atoms], target_elements)
    np.testing.assert_array_equal(types[bonds], target_types)
    np.testing.assert_array_equal(np.sort(ends[bonds], axis=1), np.sort(atoms[target_ends], axis=1))


def align(pairs):
    """Align the second writing of each pair to the first; every row must be aligned."""
    block = featurize_chunk([text for pair in pairs for text in pair]).block
    rows = np.arange(1, 2 * len(pairs), 2)
    for row in rows:
        one = np.array([row])
        is_aligned, atoms = align_pieces(block, one, one - 1, "node")
        assert is_aligned.all()
        assert_is_the_same_graph(
            block, row, row - 1, atoms, align_pieces(block, one, one - 1, "edge")[1]
        )


@pytest.mark.parametrize("seed", range(4))
def test_labels_that_break_the_symmetry_stay_with_their_neighbors(seed):
    dice = random.Random(seed)

    align(rewritings([smiles for smiles in SYMMETRIC if len(smiles) > 1], dice))


def test_atoms_and_bonds_of_real_molecules_are_aligned_together(pool):
    align(rewritings(pool.sample(300, random_state=6), random.Random(0)))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SYMMETRIC), st.randoms(use_true_random=False))
def test_any_writing_is_aligned(smiles, dice):
    align(rewritings([smiles], dice))
