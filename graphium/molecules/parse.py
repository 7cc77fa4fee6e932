"""From one SMILES to a sanitised molecule, or to the reason why there is none.

An accepted molecule is exactly what ``Chem.MolFromSmiles`` returns. RDKit alone would also accept
"CCO name", "C<emoji>" and an empty string, wrap ``[Na+999]`` to a charge of -25, and work for
minutes on a cage of a few hundred atoms, so cheap checks of the text and of the unsanitised graph
come first.
"""

import re

from rdkit import Chem, rdBase

from graphium.graphs.mol_block import RowStatus

MAX_LENGTH = 20_000
"""Characters of a SMILES."""
MAX_HEAVY_ATOMS = 1_000
"""Atoms other than hydrogen."""
MAX_ATOMS = 4_000
"""Atoms, with the hydrogens that the SMILES writes as atoms."""
MAX_RINGS = 128
"""Bonds - atoms + 1; ring perception takes minutes on some denser graphs."""

# A shorter text can hold neither MAX_HEAVY_ATOMS atoms nor the two digits of each of MAX_RINGS
# ring bonds, so that its graph need not be measured.
_SURELY_SMALL = 2 * MAX_RINGS

_NOT_PRINTABLE = re.compile(r"[^!-~\s]|[\x0b\x0c\x1c-\x1f]", re.ASCII)
# Numbers that RDKit would silently wrap: isotopes above 999, charges and hydrogens above 99.
_ABSURD_NUMBER = re.compile(r"\[(?:\d{4}|[^\]]*(?:[+-]\d{3}|H\d{3}))")


def parse_smiles(smiles: str | None) -> Chem.Mol | RowStatus:
    """Return the molecule that a SMILES describes, or why it is refused.

    Blanks at either end are ignored. Never raises: anything that is not text (a missing value) is
    ``RowStatus.EMPTY``. RDKit's log is silent meanwhile.
    """
    if not isinstance(smiles, str):
        return RowStatus.EMPTY
    text = smiles.strip(" \t\r\n")
    refusal = _check_text(text)
    if refusal is not None:
        return refusal
    with rdBase.BlockLogs():
        if len(text) > _SURELY_SMALL:
            refusal = _check_size(text)
            if refusal is not None:
                return refusal
        mol = _read(text)
        return _diagnose(text) if mol is None else mol


def _check_text(text: str) -> RowStatus | None:
    if not text:
        return RowStatus.EMPTY
    if not text.isascii() or not text.isprintable() or " " in text:
        return RowStatus.NOT_ASCII if _NOT_PRINTABLE.search(text) else RowStatus.SYNTAX
    if len(text) > MAX_LENGTH:
        return RowStatus.TOO_BIG
    return RowStatus.SYNTAX if _ABSURD_NUMBER.search(text) else None


def _check_size(text: str) -> RowStatus | None:
    graph = _read(text, sanitize=False)
    if graph is None:
        return RowStatus.SYNTAX
    too_big = (
        graph.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS
        or graph.GetNumAtoms() > MAX_ATOMS
        or graph.GetNumBonds() - graph.GetNumAtoms() + 1 > MAX_RINGS
    )
    return RowStatus.TOO_BIG if too_big else None


def _diagnose(text: str) -> RowStatus:
    """Return why RDKit refuses a text of acceptable size."""
    graph = _read(text, sanitize=False)
    if graph is None:
        return RowStatus.SYNTAX
    failed = Chem.SanitizeMol(graph, catchErrors=True)
    if failed == Chem.SanitizeFlags.SANITIZE_PROPERTIES:
        return RowStatus.VALENCE
    if failed == Chem.SanitizeFlags.SANITIZE_KEKULIZE:
        return RowStatus.KEKULIZE
    return RowStatus.SYNTAX


def _read(text: str, *, sanitize: bool = True) -> Chem.Mol | None:
    """Return RDKit's reading of a text; without ``sanitize``, the graph as it is written."""
    mol: Chem.Mol | None = Chem.MolFromSmiles(text, sanitize=sanitize)
    return mol
