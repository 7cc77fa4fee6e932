"""The page that lets anyone read a store: its script runs without graphium and reads the same."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphium.config.data import DatasetConfig
from graphium.config.encodings import EncodingsConfig
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.store.add_encoding import add_encodings
from graphium.store.layout import ARRAYS, FORMAT_VERSION
from graphium.store.prepare import prepare_dataset
from graphium.store.read import Store, open_store

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "store-format.md"

READ_WITHOUT_GRAPHIUM = """
import runpy, sys
from pathlib import Path
for name in ("graphium", "rdkit", "torch"):
    sys.modules[name] = None  # importing it fails
script, store, out = sys.argv[1:]
found = runpy.run_path(script)["read_store"](Path(store))
import numpy as np
np.savez(out, **found)
"""


def script_of_the_page(folder: Path) -> Path:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = folder / "read_store.py"
    path.write_text(code)
    return path


def read_as_the_page_says(store: Path, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "read.npz"
    command = [sys.executable, "-c", READ_WITHOUT_GRAPHIUM]
    script = script_of_the_page(folder)
    subprocess.run([*command, str(script), str(store), str(out)], check=True)
    with np.load(out) as arrays:
        return dict(arrays)


def read_with_graphium(store: Store) -> dict[str, np.ndarray]:
    """The same content under the same names, through graphium's reader."""
    block = store.graphs()
    out = {
        "source_row": store.source_rows(),
        "smiles": np.array(store.smiles()),
        "n_atoms": block.num_atoms,
        "n_bonds": block.num_bonds,
        "atoms": block.atom_table[block.atom_code],
        "bonds": block.bond_table[block.bond_code],
        "bond_ends": block.bond_ends,
    }
    for column in store.columns:
        if column.kind == "text" or column.level not in ("graph", "node"):
            continue
        table = store.labels([column.name])
        sizes = np.ones(store.num_molecules, int) if column.level == "graph" else block.num_atoms
        labels = np.full(sizes.sum(), np.nan, np.float32)
        labels[np.repeat(np.isin(np.arange(len(sizes)), table.rows), sizes)] = table.values[:, 0]
        out[f"{column.level} {column.name}"] = labels
    return out


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory):
    """Labels of every way to be kept, many of them missing; rows that are no molecules."""
    random = np.random.default_rng(3)
    smiles = ["C", "CCO", "c1ccccc1C(=O)O", "no molecule", "C[C@H](N)O", "[Na+].[Cl-]", "F/C=C/F"]
    atoms = [1, 3, 9, 0, 4, 2, 4]
    rows = []
    for number in range(70):
        which = number % len(smiles)
        row = {"smiles": smiles[which], "class": [0, 3, None, -1][number % 4]}
        row |= {
            f"assay_{k}": float(random.integers(2)) if random.random() < 0.4 else None
            for k in range(11)
        }
        row["energy"] = random.normal() if number % 3 else None
        row["charge"] = random.normal(size=atoms[which]).tolist() if number % 2 else None
        rows.append(row)
    folder = tmp_path_factory.mktemp("page")
    table = folder / "table.parquet"
    pd.DataFrame(rows).to_parquet(table)
    config = DatasetConfig(table=str(table))
    return prepare_dataset("page", config, folder, workers=1, segment_rows=20)


def test_the_script_of_the_page_reads_the_same_as_graphium(store_dir, tmp_path):
    store = open_store(store_dir)
    expected = read_with_graphium(store)

    found = read_as_the_page_says(store_dir, tmp_path)

    kinds = {column.storage for column in store.record.plan.columns if column.level == "graph"}
    assert kinds == {"bit", "code", "float"}
    assert len(store.record.segments) == 4
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    missing = np.isnan(found["graph assay_4"])
    assert missing.any()
    assert not missing.all()


def test_the_script_of_the_page_reads_an_added_encoding(store_dir, tmp_path):
    copy = tmp_path / store_dir.name
    shutil.copytree(store_dir, copy)
    config = EncodingsConfig.model_validate({"random_walk": {"steps": 4}}).random_walk
    (added,) = add_encodings(copy, {"random_walk": config}, precision="float16", workers=1)
    expected = [added.read(number) for number in range(len(added.manifest.segments))]

    found = runpy.run_path(str(script_of_the_page(tmp_path)))["read_encoding"](added.path)

    assert found.keys() == expected[0].keys()
    for name, values in found.items():
        assert values.dtype == np.float16
        np.testing.assert_array_equal(values, np.concatenate([one[name] for one in expected]))


@pytest.mark.parametrize("damage", ["a segment's file", "the manifest", "an absent chunk"])
def test_the_script_of_the_page_refuses_a_damaged_store(store_dir, tmp_path, damage):
    copy = tmp_path / store_dir.name
    shutil.copytree(store_dir, copy)
    segment = copy / open_store(store_dir).record.segments[1].folder
    if damage == "the manifest":
        manifest = copy / "MANIFEST.json"
        manifest.write_text(manifest.read_text().replace('"molecules": 60', '"molecules": 50'))
    elif damage == "an absent chunk":
        next((segment / "n_atoms").glob("c*")).unlink()
    else:
        (segment / "smiles" / "zarr.json").write_text("{}")
    read = runpy.run_path(str(script_of_the_page(tmp_path)))["read_store"]

    with pytest.raises((ValueError, FileNotFoundError)):
        read(copy)


def test_the_page_names_the_version_and_every_array_and_property(tmp_path):
    text = PAGE.read_text()
    runpy.run_path(str(DOCS / "generate.py"))["write_pages"](tmp_path)
    generated = (tmp_path / "store.md").read_text()

    assert f'("graphium-store", {FORMAT_VERSION})' in text
    assert "{include} generated/store.md" in text
    names = (*ARRAYS, *ATOM_PROPERTIES, *BOND_PROPERTIES)
    assert [name for name in names if f"| `{name}` |" not in generated] == []
    assert "12 aromatic" in generated
