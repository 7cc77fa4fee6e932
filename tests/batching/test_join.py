import numpy as np
import pytest
from rdkit import Chem

from graphium.batching.align import align_pieces
from graphium.batching.join import join_labels, join_rows
from graphium.config.tasks import TaskSpec
from graphium.graphs.levels import LIST_LEVELS, level_sizes
from graphium.graphs.mol_block import ragged_index
from graphium.molecules.featurize import featurize_chunk
from graphium.store.blocks import select_molecules
from graphium.store.read import LabelTable
from graphium.testing.toy import TOY_SMILES

NAN = np.nan


def rewritten(smiles, seed):
    """The same molecule with its atoms in another order."""
    mol = Chem.MolFromSmiles(smiles)
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
    return Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)


def spec(level="graph", loss="mae", labels=("y",), **more):
    return TaskSpec(
        name="t", dataset="d", level=level, labels=list(labels), loss=loss, metrics=[], **more
    )


def labels_of(block, level):
    """Numbers that depend on what an atom or bond is, never on how its molecule is written."""
    atoms, bonds, pairs = [], [], []
    first_atom, first_bond = block.atom_offsets(), block.bond_offsets()
    for g in range(block.num_molecules):
        size = block.num_atoms[g]
        z = block.atom_table[block.atom_code[first_atom[g] : first_atom[g + 1]], 0].astype(float)
        adjacency = np.zeros((size, size))
        ends = block.bond_ends[first_bond[g] : first_bond[g + 1]]
        adjacency[ends[:, 0], ends[:, 1]] = adjacency[ends[:, 1], ends[:, 0]] = 1
        label = z
        for _ in range(
            6
        ):  # a walk over the molecule: tells apart what symmetry does not make equal
            label = np.sqrt(z + adjacency @ label)
        atoms.append(label)
        bonds.append(label[ends[:, 0]] * label[ends[:, 1]])
        first, second = np.triu_indices(size, 1)
        pairs.append(np.sqrt(label[first] + label[second]))
    return np.concatenate({"node": atoms, "edge": bonds, "nodepair": pairs}[level])


@pytest.mark.parametrize("level", LIST_LEVELS)
@pytest.mark.parametrize("seed", range(5))
def test_labels_follow_their_atoms_to_another_smiles_of_the_molecule(level, seed):
    given = list(TOY_SMILES)
    block = featurize_chunk([*(rewritten(s, seed) for s in given), *given]).block
    count = len(given)
    labels = labels_of(block, level).astype(np.float32)
    sizes = level_sizes(level, block.num_atoms, block.num_bonds)
    first_half = int(sizes[:count].sum())

    join = join_rows(
        block,
        equal=np.tile(np.arange(count), 2),
        used=np.ones(2 * count, bool),
        preferred=np.arange(2 * count) >= count,  # the graphs come from the second half
    )
    out = join_labels(
        join,
        spec(level),
        np.arange(count),
        [LabelTable(level, np.arange(count), labels[:first_half, None])],
        first_row=0,
        weight=np.ones(count, np.float32),
        source_row=np.arange(count),
        part=np.zeros(len(join.taken_from), np.uint8),
    )

    assert join.taken_from.tolist() == list(range(count, 2 * count))
    assert out.unaligned == 0
    np.testing.assert_allclose(out.task.values[:, 0], labels[first_half:], rtol=1e-6)
    assert out.task.offset[-1] == len(labels) - first_half


def test_the_atoms_really_were_in_another_order():
    block = featurize_chunk(["OCC(C)=O", "CC(CO)=O"]).block

    aligned, inner = align_pieces(block, np.array([0]), np.array([1]), "node")

    assert aligned.tolist() == [True]
    assert inner.tolist() == [3, 2, 1, 0, 4]


@pytest.mark.parametrize(
    ("one", "other"), [("CCO", "CCN"), ("CCCO", "CC(C)O"), ("CCO", "CCCO"), ("C1CC1", "CCC")]
)
def test_different_molecules_are_not_aligned(one, other):
    block = featurize_chunk([one, other, one]).block

    aligned, inner = align_pieces(block, np.array([0, 0]), np.array([1, 2]), "node")

    assert aligned.tolist() == [False, True]
    assert len(inner) == 2 * block.num_atoms[0]


def test_rows_that_cannot_be_aligned_are_left_out_and_counted():
    block = featurize_chunk(["CCO", "CCN", "CC"]).block
    join = join_rows(
        block, np.array([0, 0, 1]), np.ones(3, bool), preferred=np.array([True, False, False])
    )
    table = LabelTable("node", np.array([1, 2]), np.arange(5, dtype=np.float32)[:, None])

    out = join_labels(
        join,
        spec("node"),
        table.rows,
        [table],
        first_row=0,
        weight=np.ones(3, np.float32),
        source_row=np.arange(3),
        part=np.zeros(len(join.taken_from), np.uint8),
    )

    assert out.unaligned == 1
    assert out.task.molecule.tolist() == [1]
    assert out.task.values[:, 0].tolist() == [3, 4]


def test_molecules_are_in_the_order_of_their_first_rows_and_unused_rows_are_none():
    block = featurize_chunk(["C"] * 6).block
    used = np.array([True, False, True, True, True, False])

    join = join_rows(block, np.array([9, 1, 4, 9, 0, 7]), used, np.zeros(6, bool))

    assert join.molecule.tolist() == [0, -1, 1, 0, 2, -1]
    assert join.taken_from.tolist() == [0, 2, 4]


def joined(values, equal, *, rows=None, weight=None, **task):
    rows = np.arange(len(values)) if rows is None else np.array(rows)
    total = len(equal)
    block = featurize_chunk(["C"] * total).block
    join = join_rows(block, np.array(equal), np.ones(total, bool), np.zeros(total, bool))
    labels = [f"y{i}" for i in range(np.shape(values)[1])]
    return join_labels(
        join,
        spec(labels=labels, **task),
        rows,
        [LabelTable("graph", rows, np.array(values, np.float32))],
        first_row=0,
        weight=np.ones(total, np.float32) if weight is None else np.array(weight, np.float32),
        source_row=10 + np.arange(total),
        part=np.zeros(len(join.taken_from), np.uint8),
    )


def test_numbers_of_equal_molecules_become_their_mean_over_known_labels():
    out = joined([[1, NAN], [5, 4], [3, 2], [NAN, 6]], equal=[0, 1, 0, 0])

    np.testing.assert_array_equal(out.task.values, [[2, 4], [5, 4]])
    assert out.task.molecule.tolist() == [0, 1]
    assert out.task.source_row.tolist() == [10, 11]
    assert (out.merged, out.ties) == (2, 0)


def test_classes_of_equal_molecules_become_the_majority_and_ties_missing():
    votes = [[2, 0, 1, NAN], [2, 1, NAN, NAN], [0, 2, NAN, 1]]

    out = joined(votes, equal=[3, 3, 3], loss="ce", num_classes=3)

    np.testing.assert_array_equal(out.task.values, [[2, NAN, 1, 1]])
    assert out.ties == 1


def test_binary_labels_that_disagree_become_missing():
    out = joined([[1, 1], [0, 1]], equal=[0, 0], loss="bce")

    np.testing.assert_array_equal(out.task.values, [[NAN, 1]])
    assert out.ties == 1


def test_a_merged_molecule_has_the_mean_weight_of_its_rows():
    out = joined([[1], [2], [3]], equal=[0, 1, 0], weight=[1, 7, 2])

    assert out.task.weight.tolist() == [1.5, 7.0]


def test_single_rows_keep_their_labels_to_the_last_bit():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)

    out = joined(values, equal=[*range(49), 0])

    np.testing.assert_array_equal(out.task.values[1:], values[1:49])


def test_selected_graphs_keep_the_atom_order_of_their_row():
    block = featurize_chunk(["OCC", "CCO"]).block
    join = join_rows(block, np.array([0, 0]), np.ones(2, bool), np.array([False, True]))

    graphs = select_molecules(block, join.taken_from)

    rows = ragged_index(block.atom_offsets()[[1]], block.num_atoms[[1]])
    assert graphs.atom_code.tolist() == block.atom_code[rows].tolist()
