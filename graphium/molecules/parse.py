"""From one SMILES to a sanitised molecule, or to the reason why there is none.

An accepted molecule is exactly what ``Chem.MolFromSmiles`` returns, or the same with more of its
hydrogens as atoms. RDKit alone would also accept
"CCO name", "C<emoji>" and an empty string, wrap ``[Na+999]`` to a charge of -25, and work for
minutes on a cage of a few hundred atoms, so cheap checks of the text and of the unsanitised graph
come first.

Who only wants the graph (``parse_graphs``) has it sooner. Most texts are plain: no atom in brackets
beyond the usual elements of organic chemistry, no dummy. For them the steps of
``Chem.MolFromSmiles`` are taken one by one, less those that find nothing to do there (removing
hydrogens, organometallics, atropisomers, stereo where none is written), which saves up to a quarter
of its time. The graph is the same, byte for byte in RDKit's serialisation; what is missing are
marks of *possible* stereo, which some descriptors count.
"""

import re
from collections.abc import Iterator, Sequence

from rdkit import Chem, rdBase

from graphium.config.data import Hydrogens
from graphium.graphs.mol_block import RowStatus

MAX_LENGTH = 20_000
"""Characters of a SMILES."""
MAX_HEAVY_ATOMS = 1_000
"""Atoms other than hydrogen."""
MAX_ATOMS = 4_000
"""Atoms, with the hydrogens that the SMILES writes as atoms or that are added."""
MAX_RINGS = 128
"""Bonds - atoms + 1; ring perception takes minutes on some denser graphs."""

# A shorter text can hold neither MAX_HEAVY_ATOMS atoms nor the two digits of each of MAX_RINGS
# ring bonds, so that its graph need not be measured.
_SURELY_SMALL = 2 * MAX_RINGS

_NOT_PRINTABLE = re.compile(r"[^!-~\s]|[\x0b\x0c\x1c-\x1f]", re.ASCII)
# Numbers that RDKit would silently wrap: isotopes above 999, charges and hydrogens above 99.
_ABSURD_NUMBER = re.compile(r"\[(?:\d{4}|[^\]]*(?:[+-]\d{3}|H\d{3}))")
# Atoms in brackets other than those of organic chemistry: explicit hydrogens, metals, atom maps.
_NOT_PLAIN = re.compile(
    r"\[(?!\d{0,3}(?:[BCNOFPSI]|[bcnops]|Cl|Br|Si|Se|se)(?:@{0,2})(?:H\d?)?(?:[+-]\d?|\+\+|--)?\])"
)

_UNSANITIZED = Chem.SmilesParserParams()
_UNSANITIZED.sanitize = False  # type: ignore[assignment]  # as rdkit's stubs have it
_UNSANITIZED.removeHs = False  # type: ignore[assignment]
_STEPS = (
    int(Chem.SanitizeFlags.SANITIZE_ALL)
    & ~int(Chem.SanitizeFlags.SANITIZE_CLEANUP_ORGANOMETALLICS)
    & ~int(Chem.SanitizeFlags.SANITIZE_CLEANUPATROPISOMERS)
)


def parse_smiles(smiles: str | None, hydrogens: Hydrogens = "implicit") -> Chem.Mol | RowStatus:
    """Return the molecule that a SMILES describes, or why it is refused.

    Blanks at either end are ignored. Never raises: anything that is not text (a missing value) is
    ``RowStatus.EMPTY``. RDKit's log is silent meanwhile.

    Args:
        smiles: The text.
        hydrogens: Which hydrogens are atoms. Written atoms keep their order; added hydrogens come
            last.
    """
    text = _check_text(smiles)
    if isinstance(text, RowStatus):
        return text
    with rdBase.BlockLogs():
        return _read_any(text, hydrogens)


def parse_graphs(smiles: Sequence[str | None]) -> Iterator[Chem.Mol | RowStatus]:
    """Yield the graph of each molecule with implicit hydrogens, or why it is refused.

    Let go of a molecule before you take the next one: a chunk of them does not fit the processor's
    cache, and costs half as much again.
    """
    # All texts first: between two molecules, the first regular expression takes ten times as long.
    texts = [_check_text(text) for text in smiles]
    plain = [isinstance(text, str) and _is_plain(text) for text in texts]
    with rdBase.BlockLogs():
        for text, is_plain, _ in zip(texts, plain, smiles, strict=True):  # a watch sees the row
            if isinstance(text, RowStatus):
                yield text
            else:
                yield _read_plain(text) if is_plain else _read_any(text)


def _check_text(smiles: str | None) -> str | RowStatus:
    """Return the text without blanks around it, or why no look at its graph is needed."""
    if not isinstance(smiles, str):
        return RowStatus.EMPTY
    text = smiles.strip(" \t\r\n")
    if not text:
        return RowStatus.EMPTY
    if not text.isascii() or not text.isprintable() or " " in text:
        return RowStatus.NOT_ASCII if _NOT_PRINTABLE.search(text) else RowStatus.SYNTAX
    if len(text) > MAX_LENGTH:
        return RowStatus.TOO_BIG
    return RowStatus.SYNTAX if "[" in text and _ABSURD_NUMBER.search(text) else text


def _is_plain(text: str) -> bool:
    return "*" not in text and ("[" not in text or _NOT_PLAIN.search(text) is None)


def _read_any(text: str, hydrogens: Hydrogens = "implicit") -> Chem.Mol | RowStatus:
    """Return RDKit's reading of any text, or why there is none."""
    if len(text) > _SURELY_SMALL:
        graph = _read(text, sanitize=False)
        if graph is None or is_too_big(graph):
            return RowStatus.SYNTAX if graph is None else RowStatus.TOO_BIG
    mol = _read(text) if hydrogens == "implicit" else _read_all_atoms(text)
    if mol is None:
        return _diagnose(text)
    return add_hydrogens(mol) if hydrogens == "explicit" else mol


def _read_plain(text: str) -> Chem.Mol | RowStatus:
    """Return what ``Chem.MolFromSmiles`` returns for a plain text, or why it refuses it."""
    mol: Chem.Mol | None = Chem.MolFromSmiles(text, _UNSANITIZED)
    if mol is None:
        return RowStatus.SYNTAX
    if len(text) > _SURELY_SMALL and is_too_big(mol):
        return RowStatus.TOO_BIG
    failed = int(Chem.SanitizeMol(mol, _STEPS, catchErrors=True))
    if failed:
        return status_of(failed)
    if "@" in text or "/" in text or "\\" in text:
        Chem.AssignStereochemistry(mol, cleanIt=True)
    return mol


def is_too_big(graph: Chem.Mol) -> bool:
    """Return whether a graph as it is written has more atoms or rings than are read."""
    is_above: bool = (
        graph.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS
        or graph.GetNumAtoms() > MAX_ATOMS
        or graph.GetNumBonds() - graph.GetNumAtoms() + 1 > MAX_RINGS
    )
    return is_above


def _diagnose(text: str) -> RowStatus:
    """Return why RDKit refuses a text of acceptable size."""
    graph = _read(text, sanitize=False)
    if graph is None:
        return RowStatus.SYNTAX
    return status_of(int(Chem.SanitizeMol(graph, catchErrors=True)))


def status_of(failed: int) -> RowStatus:
    """Return why a graph is refused of which a step of sanitization failed."""
    if failed == Chem.SanitizeFlags.SANITIZE_PROPERTIES:
        return RowStatus.VALENCE
    if failed == Chem.SanitizeFlags.SANITIZE_KEKULIZE:
        return RowStatus.KEKULIZE
    return RowStatus.SYNTAX


def _read(text: str, *, sanitize: bool = True) -> Chem.Mol | None:
    """Return RDKit's reading of a text; without ``sanitize``, the graph as it is written."""
    mol: Chem.Mol | None = Chem.MolFromSmiles(text, sanitize=sanitize)
    return mol


def _read_all_atoms(text: str) -> Chem.Mol | None:
    """Return RDKit's reading with every written hydrogen as an atom."""
    options = Chem.SmilesParserParams()
    options.removeHs = False  # type: ignore[assignment]
    mol: Chem.Mol | None = Chem.MolFromSmiles(text, options)
    return mol


def add_hydrogens(mol: Chem.Mol) -> Chem.Mol | RowStatus:
    """Return the molecule with every hydrogen as an atom, if these are not too many."""
    added = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if mol.GetNumAtoms() + added > MAX_ATOMS:
        return RowStatus.TOO_BIG
    full: Chem.Mol = Chem.AddHs(mol)
    Chem.SetHybridization(full)  # added hydrogens have none
    return full
