import pytest
from pydantic import ValidationError

from graphium.config.experiment import Experiment


def experiment(**hydrogens):
    return Experiment.model_validate(
        {
            "name": "t",
            "datasets": {
                name: {"table": "t.csv", **({"hydrogens": kind} if kind else {})}
                for name, kind in hydrogens.items()
            },
            "tasks": {"y": {"dataset": "a", "labels": ["y"], "loss": "mae"}},
        }
    )


def test_an_experiment_has_the_hydrogens_of_its_datasets():
    assert experiment(a=None, b=None).hydrogens == "implicit"
    assert experiment(a="explicit", b="explicit").hydrogens == "explicit"


def test_datasets_that_disagree_on_hydrogens_are_refused():
    with pytest.raises(ValidationError) as refusal:
        experiment(a="explicit", b="explicit", c=None)

    assert "'implicit' here and 'explicit' in datasets.a" in str(refusal.value)
