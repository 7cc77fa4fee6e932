"""Scaffolds: the ring systems of a molecule and what links them (Bemis and Murcko 1996)."""

from rdkit import Chem

from graphium.molecules.identity import accepted_mol, largest_fragment


def scaffold_smiles(smiles: str) -> str:
    """Return the canonical SMILES of the scaffold, empty for a molecule without rings.

    It is the scaffold of the part that the split key speaks of (largest fragment, no stereo, no
    isotopes), so that molecules of equal split key have equal scaffolds. Atoms double-bonded to
    the scaffold belong to it.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    graph = largest_fragment(accepted_mol(smiles)).graph
    Chem.FastFindRings(graph)
    if not graph.GetRingInfo().NumRings():
        return ""  # RDKit would take seconds over a long chain
    scaffold = Chem.MurckoDecompose(graph)
    scaffold.UpdatePropertyCache(strict=False)
    return Chem.MolToSmiles(scaffold)
