"""Labels that come piece by piece are joined to what one look at all of them gives."""

import itertools

import numpy as np
import pytest
from rdkit import Chem

from graphium.batching import compact as compact_module
from graphium.batching import places as places_module
from graphium.batching.align import align_pieces
from graphium.batching.join import join_labels, join_rows
from graphium.config.tasks import TaskSpec
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import offsets
from graphium.labels.normalize import label_statistics
from graphium.molecules.featurize import featurize_chunk
from graphium.store.read import LabelTable

NAN = np.nan
SMILES = ("CCO", "CC(=O)N", "C1CC1C", "CCCl", "NCC=O")
FIRST_ROW = 3
"""Rows of another store that come before."""


def rewritten(smiles, rng):
    mol = Chem.MolFromSmiles(smiles)
    return Chem.MolToSmiles(
        Chem.RenumberAtoms(mol, rng.permutation(mol.GetNumAtoms()).tolist()), canonical=False
    )


class Case:
    """60 rows of 5 molecules and of 20 that stand alone, labels of two columns, some unwanted."""

    def __init__(self, level, loss, seed):
        rng = np.random.default_rng(seed)
        self.level, self.is_class = level, loss == "ce"
        chosen = rng.integers(0, len(SMILES), 40)
        smiles = ["C"] * FIRST_ROW + [rewritten(SMILES[k], rng) for k in chosen]
        smiles += ["C" * (k + 2) for k in range(20)]
        equal = np.concatenate([100 + np.arange(FIRST_ROW), chosen, 200 + np.arange(20)])
        shuffled = FIRST_ROW + rng.permutation(60)
        order = np.concatenate([np.arange(FIRST_ROW), shuffled])
        self.block = featurize_chunk([smiles[k] for k in order]).block
        used = rng.random(len(order)) < 0.9
        self.join = join_rows(self.block, equal[order], used, rng.random(len(order)) < 0.3)
        self.part = rng.integers(0, 3, len(self.join.taken_from)).astype(np.uint8)
        self.weight = rng.random(60).astype(np.float32)
        self.source_row = np.cumsum(rng.integers(1, 4, 60))
        self.spec = TaskSpec(
            name="t", dataset="d", level=level, labels=["a", "b"], loss=loss, metrics=[],
            num_classes=3 if self.is_class else None,
        )  # fmt: skip
        have = np.flatnonzero(rng.random(60) < 0.9)
        self.sizes = self.sizes_of(have)
        shape = int(self.sizes.sum()), 2
        values = rng.integers(0, 3, shape) if self.is_class else rng.normal(size=shape)
        self.values = values.astype(np.float32)
        self.values[rng.random(shape) < 0.3] = NAN
        self.have = have
        self.rows = have[rng.random(len(have)) < 0.9]  # the others were thinned out

    def sizes_of(self, rows):
        block, rows = self.block, FIRST_ROW + rows
        return level_sizes(self.level, block.num_atoms[rows], block.num_bonds[rows])

    def pieces(self, cuts):
        starts = offsets(self.sizes)
        for first, last in itertools.pairwise(cuts):
            values = self.values[starts[first] : starts[last]]
            yield LabelTable(self.level, self.have[first:last], values)

    def joined(self, cuts, duplicates):
        return join_labels(
            self.join,
            self.spec,
            self.rows,
            self.pieces(cuts),
            first_row=FIRST_ROW,
            weight=self.weight,
            source_row=self.source_row,
            part=self.part,
            duplicates=duplicates,
        )

    def expected(self):
        """Rows of each molecule, and labels of each of its places, one after another."""
        starts = offsets(self.sizes)
        rows, given = {}, {}
        for at, row in enumerate(self.have.tolist()):
            molecule = int(self.join.molecule[FIRST_ROW + row])
            if molecule < 0 or row not in self.rows:
                continue
            target = self.join.taken_from[[molecule]]
            inner = np.arange(self.sizes[at])
            if self.level != "graph":
                aligned, inner = align_pieces(
                    self.block, np.array([FIRST_ROW + row]), target, self.level
                )
                assert aligned.all()
            rows.setdefault(molecule, []).append(row)
            for place, k in enumerate(inner.tolist()):
                copy = self.values[starts[at] + k].astype(np.float64).tolist()
                given.setdefault((molecule, place), []).append((int(self.source_row[row]), copy))
        return dict(sorted(rows.items())), dict(sorted(given.items()))


def merge(numbers, is_class):
    """The label, and whether it is a tie."""
    if not numbers:
        return NAN, False
    if not is_class:
        return float(np.float32(sum(numbers) / len(numbers))), False
    votes = [numbers.count(c) for c in (0, 1, 2)]
    best = [c for c, count in enumerate(votes) if count == max(votes)]
    return (best[0], False) if len(best) == 1 else (NAN, True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["mae", "ce"])
@pytest.mark.parametrize("level", ["graph", "node"])
def test_pieces_are_joined_to_what_a_look_at_every_place_gives(level, loss, seed, monkeypatch):
    case = Case(level, loss, seed)
    rows, given = case.expected()
    merged = np.full((len(given), 2), NAN)
    ties = 0
    for at, copies in enumerate(given.values()):
        for column in range(2):
            numbers = [copy[column] for _, copy in copies if not np.isnan(copy[column])]
            merged[at, column], tie = merge(numbers, case.is_class)
            ties += tie
    in_train = np.array([case.part[molecule] == 0 for molecule, _ in given])
    train = merged[in_train].astype(np.float32)
    spread = 0 if case.is_class else np.array(label_statistics(train)[1])
    contradictions = []
    for at, ((molecule, place), copies) in enumerate(given.items()):
        for column in range(2):
            known = [(row, copy[column]) for row, copy in copies if not np.isnan(copy[column])]
            numbers = [number for _, number in known]
            limit = np.broadcast_to(spread, 2)[column]
            if known and max(numbers) - min(numbers) > limit:
                contradictions.append((molecule, place, column, merged[at, column], known))
    assert ties if case.is_class else contradictions, "the case has what it is about"

    monkeypatch.setattr(compact_module, "BLOCK_CELLS", 7)
    monkeypatch.setattr(places_module, "ALIGN_ROWS", 5)
    count = len(case.have)
    for cuts in ([0, count], [0, 0, 1, 9, 30, count, count], list(range(count + 1))):
        out = case.joined(cuts, "merge")

        assert out.task.molecule.tolist() == list(rows)
        np.testing.assert_array_equal(out.task.values, merged.astype(np.float32))
        assert out.ties == ties
        assert out.merged == sum(len(one) - 1 for one in rows.values())
        assert out.task.source_row.tolist() == [case.source_row[one[0]] for one in rows.values()]
        np.testing.assert_allclose(
            out.task.weight, [case.weight[one].mean() for one in rows.values()], rtol=1e-6
        )
        found = out.contradictions
        ends = found.offset.tolist()
        copies = list(zip(found.row.tolist(), found.value.tolist(), strict=True))
        listed = [copies[ends[k] : ends[k + 1]] for k in range(len(found.molecule))]
        assert listed == [known for *_, known in contradictions]
        place = np.stack([found.molecule, found.inner, found.column], axis=1).tolist()
        assert place == [[*one[:3]] for one in contradictions]
        np.testing.assert_array_equal(
            found.used, np.array([one[3] for one in contradictions], np.float32)
        )

        left_out = case.joined(cuts, "missing").task.values
        positions = {key: at for at, key in enumerate(given)}
        for molecule, inner, column, *_ in contradictions:
            merged_out = left_out[positions[molecule, inner], column]
            assert np.isnan(merged_out)
        assert np.isnan(left_out).sum() == np.isnan(merged).sum() + sum(
            not np.isnan(one[3]) for one in contradictions
        )
