import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from graphium.config.data import ConformersConfig
from graphium.molecules import conformers
from graphium.molecules.computed import ComputeRequest, compute
from graphium.molecules.conformers import embed

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
IMPOSSIBLE = "C1=C2C3=C1C23"


def positions_of(smiles, **options):
    return embed(Chem.MolFromSmiles(smiles), ConformersConfig(**options))


def distances(positions):
    return np.linalg.norm(positions[:, None] - positions[None], axis=2)


def test_coordinates_are_those_of_rdkit():
    full = Chem.AddHs(Chem.MolFromSmiles(ASPIRIN))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 7
    assert rdDistGeom.EmbedMolecule(full, parameters) == 0
    wanted = full.GetConformer().GetPositions()[:13].astype(np.float32)
    found = positions_of(ASPIRIN, seed=7)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)

    rdForceFieldHelpers.MMFFOptimizeMolecule(full, maxIters=200)
    wanted = full.GetConformer().GetPositions()[:13].astype(np.float32)
    np.testing.assert_array_equal(positions_of(ASPIRIN, seed=7, optimize="mmff"), wanted)


def test_the_seed_chooses_the_conformer():
    np.testing.assert_array_equal(positions_of(ASPIRIN), positions_of(ASPIRIN, seed=42))
    others = distances(positions_of(ASPIRIN, seed=1)) - distances(positions_of(ASPIRIN))
    assert np.abs(others).max() > 0.01


def test_bonded_atoms_are_as_near_as_in_chemistry():
    mol = Chem.MolFromSmiles("CC=CC#N")
    between = distances(embed(mol, ConformersConfig(optimize="mmff")))
    lengths = [between[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in mol.GetBonds()]
    np.testing.assert_allclose(lengths, [1.49, 1.34, 1.43, 1.16], atol=0.025)


@pytest.mark.parametrize("smiles", ["C", "[Na+].[Cl-]", "[2H]C", "[H][H]", "C" * 64, "*C"])
def test_small_long_and_broken_up_molecules_have_coordinates(smiles):
    assert positions_of(smiles).shape == (Chem.MolFromSmiles(smiles).GetNumAtoms(), 3)


@pytest.mark.parametrize(
    ("smiles", "options", "reason"),
    [
        (IMPOSSIBLE, {}, "no_conformer"),
        ("C" * 10, {"max_atoms": 9}, "too_big"),
        ("C[Pt](C)(Cl)Cl", {"optimize": "mmff"}, "no_parameters"),
    ],
)
def test_a_molecule_without_coordinates_has_a_reason(smiles, options, reason):
    assert positions_of(smiles, **options) == reason


def test_what_takes_too_long_is_counted_apart(monkeypatch):
    monkeypatch.setattr(conformers, "_SECONDS", 0)
    assert positions_of(IMPOSSIBLE) == "timeout"


def test_atoms_without_coordinates_are_missing_and_their_molecules_counted():
    request = ComputeRequest(conformers=ConformersConfig(max_atoms=5))
    found = compute(request, ["CCO", IMPOSSIBLE, "C" * 6])
    assert [one.shape for one in found.positions] == [(3, 3), (5, 3), (6, 3)]
    assert [bool(np.isnan(one).all()) for one in found.positions] == [False, True, True]
    assert found.missing == {"positions": {"no_conformer": 1, "too_big": 1}}
