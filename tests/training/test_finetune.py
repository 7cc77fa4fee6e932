"""Fine-tuning starts from the whole backbone of a checkpoint, and only from one that fits."""

import pytest
import torch

from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import read_model
from graphium.checkpoint.save import write_checkpoint
from graphium.config.tasks import TaskSpec
from graphium.config.training import INHERITED
from graphium.errors import CheckpointError
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment
from graphium.training.finetune import inherit, load_backbone

NEW_TASK = {"new": {"dataset": "toy", "labels": ["heavy"], "loss": "mse"}}


def network_of(experiment, seed):
    specs = [
        TaskSpec(
            name=name, dataset="toy", level=t.level, labels=t.labels, loss=t.loss, metrics=[],
            num_classes=t.num_classes,
        )
        for name, t in experiment.tasks.items()
    ]  # fmt: skip
    return build_network(experiment.model, experiment.features, specs, seed=seed), specs


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of the toy experiment with features and a trunk of its own."""
    experiment = toy_experiment(
        features={"atoms": ["atomic-number", "degree"]}, model={"trunk": {"width": 24}}
    )
    network, specs = network_of(experiment, seed=1)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=specs, graphium_version="0"
    )
    write_checkpoint(tmp_path / "checkpoint", record, network.state_dict(), None)
    return tmp_path / "checkpoint", network


def finetuned(checkpoint, **changes):
    options = {"tasks": NEW_TASK, "finetune": {"checkpoint": str(checkpoint)}}
    return toy_experiment(**(options | changes))


def origins(*written):
    keys = {f"{section}.x": "default" for section in INHERITED}
    return keys | dict.fromkeys(written, "file:1")


def test_everything_but_the_heads_is_copied_positional_encoders_too(trained):
    checkpoint, source = trained
    experiment = inherit(finetuned(checkpoint), origins())
    network, _ = network_of(experiment, seed=2)
    copied = load_backbone(network, experiment)

    own = network.state_dict()
    for name, value in source.state_dict().items():
        if not name.startswith("heads."):
            assert torch.equal(own[name], value), name
    assert {name for name in own if not name.startswith("heads.")} == set(copied)
    assert any("positional.laplacian" in name for name in copied)
    assert any("positional.random_walk" in name for name in copied)


def test_the_heads_stay_new(trained):
    checkpoint, _ = trained
    experiment = inherit(finetuned(checkpoint), origins())
    network, _ = network_of(experiment, seed=2)
    before = {k: v.clone() for k, v in network.state_dict().items() if k.startswith("heads.")}
    load_backbone(network, experiment)
    assert before
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def test_what_is_not_written_comes_from_the_checkpoint(trained):
    experiment = inherit(finetuned(trained[0]), origins())
    assert experiment.features.atoms == ["atomic-number", "degree"]
    assert experiment.model.trunk.width == 24


def test_what_is_written_stays_and_must_fit(trained):
    experiment = inherit(finetuned(trained[0]), origins("model.trunk.width"))
    assert experiment.model.trunk.width == 16
    network, _ = network_of(experiment, seed=2)
    with pytest.raises(CheckpointError, match=r"model\.trunk\.width is 24 there and 16 here"):
        load_backbone(network, experiment)

    experiment = inherit(finetuned(trained[0]), origins("features.atoms"))
    network, _ = network_of(experiment, seed=2)
    with pytest.raises(CheckpointError, match=r"features\.atoms is \['atomic-number', 'degree'\]"):
        load_backbone(network, experiment)


def test_graphs_must_have_the_hydrogens_that_the_weights_know(trained):
    experiment = inherit(finetuned(trained[0]), origins())
    toy = experiment.datasets["toy"].model_copy(update={"hydrogens": "explicit"})
    experiment = experiment.model_copy(update={"datasets": {"toy": toy}})
    network, _ = network_of(experiment, seed=2)

    with pytest.raises(CheckpointError, match="hydrogens is 'implicit' there and 'explicit' here"):
        load_backbone(network, experiment)


@pytest.mark.filterwarnings("ignore:norm. batch")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"trunk": {"activation": "relu"}}, r"trunk\.activation is 'gelu' there and 'relu' here"),
        ({"trunk": {"residual": False}}, r"trunk\.residual is True there and False here"),
        ({"trunk": {"norm": "batch"}}, r"trunk\.norm is 'layer' there and 'batch' here"),
        ({"pooling": ["mean"]}, r"model\.pooling is \['sum'\] there and \['mean'\] here"),
        ({"trunk": {"kind": "gcn"}}, r"kind is 'gine' .*learn_epsilon is True there and no option"),
        ({"encoder": {"bond_width": 8}}, r"model\.encoder\.bond_width is 32 there and 8 here"),
    ],
)
def test_options_that_change_what_the_weights_mean_must_agree(trained, model, message):
    trunk = {"width": 24} | model.get("trunk", {})
    features = {"atoms": ["atomic-number", "degree"]}
    experiment = finetuned(trained[0], features=features, model=model | {"trunk": trunk})
    network, _ = network_of(experiment, seed=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    with pytest.raises(CheckpointError, match=message):
        load_backbone(network, experiment)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def test_weights_that_their_own_options_do_not_explain_are_refused(trained, tmp_path):
    experiment = inherit(finetuned(trained[0]), origins())
    record, weights = read_model(trained[0])
    first = next(name for name in weights if name.startswith("trunk."))
    write_checkpoint(tmp_path / "less", record, {k: v for k, v in weights.items() if k != first})
    network, _ = network_of(experiment, seed=2)

    with pytest.raises(CheckpointError, match="do not fit its own options"):
        load_backbone(network, inherit(finetuned(tmp_path / "less"), origins()))


def test_dropout_may_differ(trained):
    features = {"atoms": ["atomic-number", "degree"]}
    model = {"encoder": {"dropout": 0.3}, "trunk": {"width": 24, "dropout": 0.4}}
    experiment = finetuned(trained[0], features=features, model=model)
    network, _ = network_of(experiment, seed=2)

    assert load_backbone(network, experiment)


def test_a_checkpoint_that_does_not_exist_is_named():
    with pytest.raises(CheckpointError, match="nowhere"):
        inherit(finetuned("nowhere"), origins())


def test_a_checkpoint_of_another_featurizer_is_refused(trained, monkeypatch):
    experiment = inherit(finetuned(trained[0]), origins())
    network, _ = network_of(experiment, seed=2)
    monkeypatch.setattr("graphium.checkpoint.load.FEATURIZER_VERSION", 99)

    with pytest.raises(CheckpointError, match=r"version 1 of the featurizer.*version 99"):
        inherit(finetuned(trained[0]), origins())
    with pytest.raises(CheckpointError, match=r"version 1 of the featurizer.*version 99"):
        load_backbone(network, experiment)
