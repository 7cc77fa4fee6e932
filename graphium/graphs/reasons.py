"""Why a row is refused, where the name of its status does not say enough."""

TEXT_AFTER = (
    "there is a blank in it, and text after the SMILES is not read (CXSMILES, names): remove it"
)
"""The note on a text that is refused as ``RowStatus.SYNTAX`` for what follows its SMILES."""


def syntax_note(text: str) -> str | None:
    """Return what is known of a text that is no SMILES: whether more text follows a blank."""
    return TEXT_AFTER if len(text.split(maxsplit=1)) > 1 else None
