"""What the status of a row means, in the words that users read."""

from graphium.graphs.mol_block import RowStatus

MEANINGS = {
    RowStatus.SYNTAX: "not a SMILES",
    RowStatus.VALENCE: "an atom has more bonds than it can have",
    RowStatus.KEKULIZE: "aromatic bonds that do not fit",
    RowStatus.EMPTY: "no SMILES",
    RowStatus.TOO_BIG: "more atoms or rings than are read",
    RowStatus.TIMEOUT: "reading it took too long",
    RowStatus.NOT_ASCII: "characters that a SMILES cannot have",
    RowStatus.LABELS: "a list of labels does not fit the molecule's atoms, bonds or pairs of atoms",
    RowStatus.CRASHED: "reading it ended the process or took too much memory",
}
"""Why a row is left out, by status."""

TEXT_AFTER = (
    "there is a blank in it, and text after the SMILES is not read (names, CXSMILES; but "
    "coordinates are with `conformers: {kind: given}`): remove it"
)
"""The note on a text that is refused as ``RowStatus.SYNTAX`` for what follows its SMILES."""

NO_BLOCK = "its mol block cannot be read"
"""The note on a text of several lines."""


def syntax_note(text: str) -> str | None:
    """Return what is known of a text that is no SMILES: whether more text follows a blank."""
    if "\n" in text:
        return NO_BLOCK
    return TEXT_AFTER if len(text.split(maxsplit=1)) > 1 else None
