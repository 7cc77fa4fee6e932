"""Going back to the newest whole checkpoint."""

import random
import shutil

import pytest
from checkpoints import write_small

from graphium.checkpoint.load import read_model, verify_checkpoint
from graphium.checkpoint.recover import recover
from graphium.checkpoint.save import point
from graphium.errors import CheckpointError

FILES = ("MANIFEST.json", "model.json", "model.safetensors", "training.json",
         "training.safetensors")  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints of a run; the middle one is the best."""
    for step in (4, 8, 12):
        write_small(tmp_path / f"step-{step:08d}", seed=step)
    for name, step in (("last", 12), ("previous", 8), ("best", 8)):
        point(tmp_path / name, tmp_path / f"step-{step:08d}")
    return tmp_path


def target(folder, name):
    return (folder / name).resolve().name


def test_where_the_last_is_whole_nothing_is_said_or_changed(folder):
    before = sorted(path.name for path in folder.iterdir())
    assert recover(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == before
    assert target(folder, "last") == "step-00000012"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_damaged_last_is_set_aside_and_the_one_before_is_taken(folder, name, damage):
    path = folder / "step-00000012" / name
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])

    damaged, going_on = recover(folder)

    assert name in damaged
    assert "damaged-step-00000012" in damaged
    assert "step-00000008" in going_on
    assert target(folder, "last") == "step-00000008"
    assert not (folder / "step-00000012").exists()
    assert recover(folder) == []


def test_500_flipped_bits_are_found_and_the_one_before_is_taken(folder):
    contents = {name: (folder / "step-00000012" / name).read_bytes() for name in FILES}
    rng = random.Random(1)
    for _ in range(500):
        name = rng.choice(FILES)
        bit = rng.randrange(8 * len(contents[name]))
        flipped = bytearray(contents[name])
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / "step-00000012" / name).write_bytes(flipped)

        assert "step-00000008" in recover(folder)[-1]

        (folder / "damaged-step-00000012").rename(folder / "step-00000012")
        (folder / "step-00000012" / name).write_bytes(contents[name])
        point(folder / "last", folder / "step-00000012")
    assert recover(folder) == []


def test_a_last_that_is_gone_gives_way_to_the_one_before(folder):
    shutil.rmtree(folder / "step-00000012")
    assert "is not a checkpoint" in recover(folder)[0]
    assert target(folder, "last") == "step-00000008"


def test_a_newer_one_that_was_never_called_last_is_not_taken(folder):
    write_small(folder / "step-00000016", seed=16)
    assert recover(folder) == []
    (folder / "step-00000012" / "model.json").unlink()
    recover(folder)
    assert target(folder, "last") == "step-00000008"


def test_a_damaged_best_is_no_longer_called_so(folder):
    (folder / "step-00000008" / "model.safetensors").write_bytes(b"")
    (said,) = recover(folder)
    assert "best" in said
    assert not (folder / "best").is_symlink()
    assert target(folder, "last") == "step-00000012"


def test_where_none_is_whole_each_is_named(folder):
    for path in folder.glob("step-*"):
        (path / "training.json").write_text("{}")
    with pytest.raises(CheckpointError, match="start a new run") as error:
        recover(folder)
    for step in ("12", "08", "04"):
        assert f"step-000000{step}" in str(error.value)


def test_a_model_without_training_state_is_not_resumed(folder):
    write_small(folder / "step-00000012", seed=12)
    shutil.rmtree(folder / "step-00000012")
    model = read_model(folder / "step-00000008")
    from graphium.checkpoint.save import write_checkpoint

    write_checkpoint(folder / "step-00000012", *model)
    assert verify_checkpoint(folder / "step-00000012") == []
    assert "training.json" in recover(folder)[0]
    assert target(folder, "last") == "step-00000008"
