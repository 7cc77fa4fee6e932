"""Drawings of molecules as SVG, for reports."""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

from graphium.config.data import Hydrogens
from graphium.molecules.identity import accepted_mol

_HEADER = re.compile(r"^.*?<svg[^>]*>\s*(?:<!--.*?-->\s*)?", re.DOTALL)
_CLASSES = re.compile(r"class='[^']*'\s*")


def draw_svg(
    smiles: str,
    *,
    width: int = 260,
    height: int = 200,
    atoms: Sequence[int] = (),
    bonds: Sequence[int] = (),
    hydrogens: Hydrogens = "implicit",
) -> str:
    """Return an ``<svg>`` element to be put into a page: no script, no reference, no background.

    Args:
        smiles: The molecule; it is also the title that screen readers and tooltips show.
        width: Pixels.
        height: Pixels.
        atoms: Atoms to highlight, in the order of the SMILES.
        bonds: Bonds to highlight.
        hydrogens: Which hydrogens are atoms, as they are counted.

    Raises:
        DataError: The SMILES is not accepted by ``parse_smiles``.
    """
    mol = Chem.Mol(accepted_mol(smiles, hydrogens))
    canvas = rdMolDraw2D.MolDraw2DSVG(width, height)
    options = canvas.drawOptions()
    for unwanted in ("clearBackground", "includeMetadata"):
        setattr(options, unwanted, False)  # RDKit's stubs mistype the attributes
    rdMolDraw2D.PrepareAndDrawMolecule(
        canvas, mol, highlightAtoms=list(atoms), highlightBonds=list(bonds)
    )
    canvas.FinishDrawing()
    drawing = _HEADER.sub("", canvas.GetDrawingText(), count=1)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(smiles)}</title>'
    )
    return opening + _CLASSES.sub("", drawing)
