"""Whoever takes a SMILES checks its size before RDKit looks at the graph."""

from functools import partial
from typing import get_args

import pytest

from graphium.config.keys import JoinKind, SplitKind
from graphium.errors import DataError
from graphium.molecules.draw import draw_svg
from graphium.molecules.fingerprints import morgan
from graphium.molecules.identity import join_key, split_key
from graphium.molecules.scaffold import scaffold_smiles
from graphium.testing.hostile import hostile_rows

READERS = {
    **{f"join key {kind}": partial(join_key, kind=kind) for kind in get_args(JoinKind)},
    **{f"split key {kind}": partial(split_key, kind=kind) for kind in get_args(SplitKind)},
    "scaffold": scaffold_smiles,
    "fingerprint": lambda text: morgan([text]),
    "drawing": draw_svg,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
def test_no_reader_of_smiles_works_on_a_hostile_one(reader):
    for text in hostile_rows().values():
        if isinstance(text, str):
            with pytest.raises(DataError, match="no molecule can be made"):
                reader(text)
