"""From a table with labels of pairs of atoms to a model, its page and predictions."""

import itertools
import json

import pandas as pd
import pytest
from rdkit import Chem

from graphium.apply.model import load_model
from graphium.apply.predict import predict_file
from graphium.cli.train import main

SMILES = (
    "CCO", "CC(=O)O", "c1ccccc1", "CCN", "CCCC", "CC(C)O", "OCCO", "c1ccncc1", "CC#N", "C=CC",
    "CCOC(=O)C", "Cc1ccccc1", "CCCl", "CC=O", "C1CCCCC1", "NCC(=O)O", "CSC", "CCBr", "O=C=O", "C",
    "FC(F)F", "c1ccc(O)cc1", "CC(C)(C)O", "CNC", "OC1CCCC1", "[Na+].[Cl-]", "CCS", "c1ccoc1",
)  # fmt: skip

EXPERIMENT = """
name: apart
datasets:
  d: {{table: table.parquet, hydrogens: {hydrogens}, split: {{kind: random, seed: 1}}}}
tasks:
  bonds_between: {{dataset: d, level: nodepair, labels: [apart], loss: mae, unit: bonds}}
  neighbours: {{dataset: d, level: nodepair, labels: [bonded], loss: bce}}
  degree: {{dataset: d, level: node, labels: [degree], loss: mae}}
model:
  trunk: {{kind: gine, depth: 2, width: 16}}
batch: {{size: 8}}
trainer: {{max_epochs: 2, threads: 1, accelerator: cpu}}
report: {{trees: 5}}
"""


def table(hydrogens):
    """Distances as matrices, unknown between fragments; bonds as lists; one matrix is crooked."""
    rows = []
    for smiles in SMILES:
        mol = Chem.MolFromSmiles(smiles)
        mol = Chem.AddHs(mol) if hydrogens == "explicit" else mol
        apart, bonded = Chem.GetDistanceMatrix(mol), Chem.GetAdjacencyMatrix(mol)
        pairs = list(itertools.combinations(range(len(apart)), 2))
        rows.append(
            {
                "smiles": smiles,
                "apart": [[None if x > 1e6 else x for x in row] for row in apart.tolist()],
                "bonded": [int(bonded[i, j]) for i, j in pairs],
                "degree": [float(atom.GetDegree()) for atom in mol.GetAtoms()],
            }
        )
    rows[5]["apart"][0][1] = 7.0
    return pd.DataFrame(rows)


@pytest.fixture(params=["implicit", "explicit"])
def run(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    table(request.param).to_parquet("table.parquet")
    (tmp_path / "apart.yaml").write_text(EXPERIMENT.format(hydrogens=request.param))
    with pytest.raises(SystemExit) as end:
        main(["apart.yaml", "--run-dir", "run"])
    assert end.value.code in (0, None)
    return tmp_path / "run", table(request.param)


def test_a_table_of_pairs_becomes_a_run_with_a_page_and_predictions(run):
    directory, rows = run
    results = json.loads((directory / "results.json").read_text())["tasks"]
    baselines = json.loads((directory / "baselines.json").read_text())["tasks"]
    predictions = pd.read_csv(directory / "predictions" / "test" / "bonds_between.csv")
    page = (directory / "report.html").read_text()

    assert results["bonds_between"]["level"] == "nodepair"
    assert results["bonds_between"]["test"]["mae"] > 0
    # The elements and the bonds between two atoms tell both labels.
    assert baselines["bonds_between"]["mean"]["test"]["mae"] == pytest.approx(0, abs=1e-5)
    assert baselines["neighbours"]["forest"]["test"]["auroc"] > 0.99
    columns = ["smiles", "dataset", "row", "begin", "end", "apart", "apart_predicted"]
    assert list(predictions.columns) == columns
    for line in predictions.itertuples():
        assert line.begin < line.end
        assert line.apart == rows.apart[line.row][line.begin][line.end]
    assert "The worst of the pairs of atoms of each molecule is marked" in page
    assert "5,CC(C)O" in next(directory.parent.glob("cache/stores/*/rejects.csv")).read_text()

    predict_file(load_model(directory), directory.parent / "table.parquet", directory / "out.csv")
    predicted = pd.read_csv(directory / "out.csv")
    for cell, atoms in zip(predicted.apart_predicted, rows.degree, strict=True):
        assert len(json.loads(cell)) == len(atoms) * (len(atoms) - 1) / 2
