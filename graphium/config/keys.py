"""When two rows are the same molecule, and which molecules a split must not part."""

from typing import Literal

from graphium.config.base import Section

JoinKind = Literal["stereo", "connectivity", "inchi", "tautomer"]
"""What equal molecules have in common; each later one also joins all that ``stereo`` joins."""

SplitKind = Literal["connectivity", "inchikey14", "tautomer"]
"""What molecules that stand in one part have in common."""


class KeysConfig(Section):
    """Which rows are one molecule (``join``) and which molecules share a part (``split``).

    The defaults cost next to nothing; ``inchi``, ``inchikey14`` and ``tautomer`` look at every
    molecule once, 0.2 ms (InChI) or some 3 ms (tautomers) each.
    """

    join: JoinKind = "stereo"
    """Rows with the same one become one molecule of the mix: ``stereo`` (canonical SMILES with
    stereo and isotopes), ``connectivity`` (canonical SMILES without them), ``inchi`` (standard
    InChI: some tautomers and bonds to metals are one) or ``tautomer`` (RDKit's canonical tautomer,
    with stereo and isotopes)."""
    split: SplitKind = "connectivity"
    """Molecules with the same one never stand in different parts. It speaks of the largest
    fragment without stereo and isotopes: ``connectivity`` (its canonical SMILES), ``inchikey14``
    (first block of its InChIKey: charges by protons and mobile hydrogens do not count) or
    ``tautomer`` (its canonical tautomer). What ``join`` makes one molecule stands in one part
    whatever this is."""
