"""A split whose shares are far from those asked for is not passed over in silence."""

import pytest

from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.store.prepare import prepare_experiment

SMILES = [f"{'C' * n}c1ccccc1" for n in range(18)] + ["C1CCCCC1", "c1ccncc1"]


@pytest.mark.parametrize(("kind", "is_far"), [("scaffold", True), ("random", False)])
def test_shares_far_from_those_asked_for_are_a_warning(tmp_path, kind, is_far):
    rows = "".join(f"{text},{i}\n" for i, text in enumerate(SMILES))
    (tmp_path / "table.csv").write_text("smiles,y\n" + rows)
    split = {"kind": kind, "fractions": [0.5, 0.25, 0.25]}
    experiment = Experiment.model_validate(
        {
            "name": "shares",
            "datasets": {"d": {"table": str(tmp_path / "table.csv"), "split": split}},
            "tasks": {"y": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
        }
    )
    prepare_experiment(experiment, tmp_path, workers=1)

    warnings = open_mix(experiment, tmp_path).report.warnings

    expected = "dataset 'd': train has 90% of the molecules, 50% was asked"
    assert any(line.startswith(expected) for line in warnings) == is_far
    assert any("was asked" in line for line in warnings) == is_far
