import pandas as pd
import pytest
import torch

from graphium.cli.main import main


@pytest.fixture
def run(capsys):
    """Run ``graphium data ...`` and return exit code, stdout and stderr."""

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(["data", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return call


@pytest.fixture
def store(run, tmp_path):
    cells = {"smiles": ["CCO", "CC", "C"], "assay_1": [1, None, 0], "weight": [1.0, 2.0, 3.0]}
    pd.DataFrame(cells).to_csv(tmp_path / "small.csv", index=False)
    run("prepare", tmp_path / "small.csv", "--store", tmp_path / "cache", "--workers", 1)
    (path,) = (tmp_path / "cache" / "stores").iterdir()
    return path


def test_a_store_is_exported_once_unless_it_may_be_replaced(run, store, tmp_path):
    output = tmp_path / "small.pt"

    code, out, _ = run("export", store, "-o", output, "--labels", "assay_*")
    assert code == 0
    assert out.startswith("3 molecules, 1 file, ")
    data, slices = torch.load(output, weights_only=True)
    assert data["meta"]["y"] == ["assay_1"]
    assert slices["x"].tolist() == [0, 3, 5, 6]

    code, _, err = run("export", store, "-o", output)
    assert code == 2
    assert "--force" in err

    code, _, _ = run("export", store, "-o", output, "--force")
    assert code == 0
    assert torch.load(output, weights_only=True)[0]["meta"]["y"] == ["assay_1", "weight"]


def test_the_features_of_an_experiment_are_exported(run, store, tmp_path):
    (tmp_path / "small.yaml").write_text(
        f"""
name: small
datasets: {{small: {{table: {tmp_path / "small.csv"}}}}}
features: {{atoms: [atomic-number, mass], bonds: [bond-order]}}
tasks: {{weight: {{dataset: small, labels: [weight], loss: mae}}}}
"""
    )

    code, _, err = run("export", store, "-o", tmp_path / "p", "--features", tmp_path / "small.yaml")

    assert code == 0, err
    data, _ = torch.load(tmp_path / "p" / "00000.pt", weights_only=True)
    assert data["x"].dtype == torch.float32
    assert data["meta"]["x"][-1].startswith("mass.")
    assert data["meta"]["edge_attr"] == ["bond-order.bond order"]
    assert data["edge_attr"].tolist() == [[1.0]] * 6
