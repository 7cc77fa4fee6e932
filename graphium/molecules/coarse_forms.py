"""Forms of a molecule that are one for several SMILES graphs: InChI and canonical tautomers.

Each is a function of canonical SMILES, so that it never parts what canonical SMILES joins: RDKit's
enumeration of tautomers stops at a number of steps, and what it has found then may depend on the
order of the atoms.
"""

from rdkit import Chem, rdBase
from rdkit.Chem import rdinchi
from rdkit.Chem.MolStandardize import rdMolStandardize

_NO_FORM = "smiles:"
"""Stands before canonical SMILES where there is no other form: neither InChI nor SMILES."""


def inchi(canonical: str) -> str:
    """Return the standard InChI of a canonical SMILES.

    A molecule that has none (with dummy atoms, or of more than 1,023 atoms) stands for itself.
    """
    with rdBase.BlockLogs():
        mol = _read(canonical)
        text = str(rdinchi.MolToInchi(mol)[0]) if mol is not None else ""
    return text or _NO_FORM + canonical


def inchikey14(canonical: str) -> str:
    """Return the first block of the InChIKey, 14 letters, of a canonical SMILES.

    It hashes the connections and the number of hydrogens. A molecule without InChI stands for
    itself.
    """
    text = inchi(canonical)
    if text.startswith(_NO_FORM):
        return text
    return str(rdinchi.InchiToInchiKey(text))[:14]


def canonical_tautomer(canonical: str) -> str:
    """Return the canonical SMILES of the canonical tautomer of a canonical SMILES.

    Stereo is kept where the SMILES has it. RDKit tries at most 1,000 transforms, so two tautomers
    of a molecule with very many may keep different forms. A molecule that RDKit cannot handle
    stands for itself.
    """
    with rdBase.BlockLogs():
        mol = _read(canonical)
        if mol is None:
            return canonical
        enumerator = rdMolStandardize.TautomerEnumerator()
        # By default an amino acid would lose the stereo of its alpha carbon.
        enumerator.SetRemoveSp3Stereo(False)
        enumerator.SetRemoveBondStereo(False)
        try:
            return str(Chem.MolToSmiles(enumerator.Canonicalize(mol)))
        except (RuntimeError, ValueError):  # what RDKit's C++ throws
            return canonical


def _read(canonical: str) -> Chem.Mol | None:
    """Return the molecule, or None in the rare case that RDKit does not read what it wrote."""
    mol: Chem.Mol | None = Chem.MolFromSmiles(canonical)
    return mol
