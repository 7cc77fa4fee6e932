"""A checkpoint is whole or refused; what is under a name was complete before it got the name."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from checkpoints import RECORD, small_training, small_weights, write_small

from graphium.checkpoint import load, manifest, migrate
from graphium.checkpoint.load import (
    read_model,
    read_training,
    verify_checkpoint,
)
from graphium.checkpoint.save import point, remove_checkpoint, write_checkpoint
from graphium.config.features import FeaturesConfig
from graphium.errors import CheckpointError

FILES = [
    "MANIFEST.json", "model.json", "model.safetensors", "training.json", "training.safetensors",
]  # fmt: skip


def assert_whole(path, seed=0):
    record, weights = read_model(path)
    assert record == RECORD
    assert weights.keys() == small_weights().keys()
    for name, expected in small_weights(seed).items():
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=0)
    assert read_training(path) == small_training()
    assert verify_checkpoint(path) == []


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path):
    assert_whole(write_small(tmp_path / "runs" / "a" / "step-1"))


def test_it_holds_these_files_and_no_other_is_left_behind(tmp_path):
    path = write_small(tmp_path / "step-1")

    assert sorted(os.listdir(path)) == FILES
    assert os.listdir(tmp_path) == ["step-1"]


def test_whoever_may_read_one_file_may_read_all(tmp_path):
    path = write_small(tmp_path / "step-1")

    assert len({(path / name).stat().st_mode for name in FILES}) == 1


def test_a_model_without_training_state_says_so_when_resumed(tmp_path):
    write_checkpoint(tmp_path / "model", RECORD, small_weights())

    assert read_model(tmp_path / "model")[0] == RECORD
    assert verify_checkpoint(tmp_path / "model") == []
    with pytest.raises(CheckpointError, match=r"holds no training\.json"):
        read_training(tmp_path / "model")


def test_every_flipped_bit_is_found(tmp_path):
    path = write_small(tmp_path / "step-1")
    contents = {name: (path / name).read_bytes() for name in FILES}
    rng = random.Random(0)
    positions = [(name, bit) for name, c in contents.items() for bit in range(8 * len(c))]

    for name, bit in rng.sample(positions, 200):
        damaged = bytearray(contents[name])
        damaged[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(damaged)

        problems = verify_checkpoint(path)
        assert problems, (name, bit)
        assert all("step-1" in line for line in problems)
        with pytest.raises(CheckpointError):
            read_model(path), read_training(path)
        (path / name).write_bytes(contents[name])
    assert_whole(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["removed", "truncated", "longer", "emptied"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    path = write_small(tmp_path / "step-1")
    content = (path / name).read_bytes()
    match damage:
        case "removed":
            (path / name).unlink()
        case "truncated":
            (path / name).write_bytes(content[:-1])
        case "longer":
            (path / name).write_bytes(content + b"\n")
        case "emptied":
            (path / name).write_bytes(b"")

    (problem,) = verify_checkpoint(path)
    assert name in problem
    with pytest.raises(CheckpointError, match=name):
        read_model(path), read_training(path)


def test_a_file_of_another_checkpoint_is_found(tmp_path):
    first, second = write_small(tmp_path / "a", seed=1), write_small(tmp_path / "b", seed=2)

    shutil.copy(first / "model.safetensors", second / "model.safetensors")

    assert "model.safetensors is damaged" in verify_checkpoint(second)[0]


def test_reading_the_model_does_not_need_the_training_state(tmp_path):
    path = write_small(tmp_path / "step-1")
    (path / "training.safetensors").write_bytes(b"x")

    assert read_model(path)[0] == RECORD


def rewrite_manifest(path, **changes):
    """Change a manifest and make it consistent with itself again."""
    body = json.loads((path / "MANIFEST.json").read_bytes())
    body.pop("sha256")
    made = manifest.Manifest.model_validate({**body, **changes})
    (path / "MANIFEST.json").write_bytes(made.render())


def test_a_newer_format_is_refused_and_both_versions_are_named(tmp_path):
    path = write_small(tmp_path / "step-1")
    rewrite_manifest(path, version=99)

    with pytest.raises(CheckpointError, match=r"format 99.* up to 2; update graphium"):
        read_model(path)
    with pytest.raises(CheckpointError, match="format 99"):
        read_training(path)
    assert "format 99" in verify_checkpoint(path)[0]


def test_a_format_before_the_first_is_refused(tmp_path):
    path = write_small(tmp_path / "step-1")
    rewrite_manifest(path, version=0)

    with pytest.raises(CheckpointError, match="never existed"):
        read_model(path)


def test_an_older_format_is_migrated_step_by_step(tmp_path, monkeypatch):
    path = write_small(tmp_path / "step-1")

    def renamed(model):
        record, weights = model
        return record, {f"renamed.{name}": tensor for name, tensor in weights.items()}

    monkeypatch.setattr(migrate, "FORMAT_VERSION", 3)
    monkeypatch.setattr(load, "FORMAT_VERSION", 3)
    monkeypatch.setattr(migrate, "MIGRATIONS", {1: renamed, 2: renamed})
    rewrite_manifest(path, version=1)

    assert set(read_model(path)[1]) == {f"renamed.renamed.{name}" for name in small_weights()}
    with pytest.raises(CheckpointError, match="only format 3 can be resumed"):
        read_training(path)


@pytest.mark.parametrize("version", [1, 2])
def test_a_checkpoint_of_every_format_so_far_still_reads(version):
    path = Path(__file__).parent / "formats" / str(version)

    record, weights = read_model(path)

    assert record.tasks == RECORD.tasks
    torch.testing.assert_close(weights, small_weights(seed=1), rtol=0, atol=0)
    if version == migrate.FORMAT_VERSION:
        assert read_training(path) == small_training()


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ({"random_walk_steps": 5, "laplacian_eigenvectors": 3}, (5, 3)),
        ({"random_walk_steps": 0, "laplacian_eigenvectors": 0}, (None, None)),
        ({}, (16, 8)),
    ],
)
def test_the_encodings_of_a_checkpoint_of_format_1_are_read(tmp_path, old, expected):
    record = RECORD.model_copy(update={"experiment": {"name": "small", "features": old}})
    path = tmp_path / "model"
    write_checkpoint(path, record, small_weights())
    rewrite_manifest(path, version=1)

    features = FeaturesConfig.model_validate(read_model(path)[0].experiment["features"])

    walks, eigen = features.encodings.random_walk, features.encodings.laplacian
    assert (walks and walks.steps, eigen and eigen.k) == expected
    assert (eigen is None) or eigen.normalization == "none"


def test_the_newest_format_has_an_example():
    assert (Path(__file__).parent / "formats" / str(migrate.FORMAT_VERSION)).is_dir()


def test_every_older_format_has_a_migration():
    assert sorted(migrate.MIGRATIONS) == list(range(1, migrate.FORMAT_VERSION))


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{}", b"null", b"\xff", b'{"version": "1"}'])
def test_a_manifest_of_nonsense_is_refused(tmp_path, content):
    path = write_small(tmp_path / "step-1")
    (path / "MANIFEST.json").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"MANIFEST\.json is damaged"):
        read_model(path)


def test_a_manifest_cannot_name_files_outside_the_checkpoint(tmp_path):
    path = write_small(tmp_path / "step-1")
    body = json.loads((path / "MANIFEST.json").read_bytes())
    body["files"]["../secret"] = body["files"]["model.json"]
    (path / "MANIFEST.json").write_text(json.dumps(body))

    with pytest.raises(CheckpointError, match="damaged"):
        read_model(path)


@pytest.mark.parametrize(
    "tree", [{"$float": "1"}, {"$tensor": "no"}, {"$dict": 1}, {"$dict": [[[], 1]]}, {"$run": "x"}]
)
def test_a_forged_training_tree_is_refused(tmp_path, tree):
    path = write_small(tmp_path / "step-1")
    (path / "training.json").write_text(json.dumps(tree))
    made = manifest.make_manifest(path, FILES[1:])
    (path / "MANIFEST.json").write_bytes(made.render())

    with pytest.raises(CheckpointError, match=r"training\.json is not a tree"):
        read_training(path)


@pytest.mark.parametrize(
    "experiment", [{"x": float("nan")}, {"x": (1, 2)}, {"x": object()}], ids=["nan", "tuple", "any"]
)
def test_a_record_that_json_would_change_is_not_written(tmp_path, experiment):
    record = RECORD.model_copy(update={"experiment": experiment})

    with pytest.raises(CheckpointError, match="JSON"):
        write_checkpoint(tmp_path / "step-1", record, small_weights())
    assert os.listdir(tmp_path) == []


class TestAtomicity:
    """Every call that changes the disk fails once; what has a name is whole all the same."""

    @pytest.mark.parametrize("old", [True, False], ids=["over an older one", "as a new one"])
    def test_a_write_that_stops_anywhere_leaves_whole_checkpoints_only(
        self, tmp_path, monkeypatch, old
    ):
        path = tmp_path / "step-1"
        for stop_at in range(1, 100):
            shutil.rmtree(path, ignore_errors=True)
            if old:
                write_small(path, seed=1)
            calls = stop_after(monkeypatch, stop_at)
            try:
                write_small(path, seed=2)
            except KilledError:
                monkeypatch.undo()
                for seen in [p for p in tmp_path.iterdir() if not p.name.startswith(".")]:
                    assert_whole(seen, seed=read_seed(seen))
                continue
            monkeypatch.undo()
            assert len(calls) > 8
            assert_whole(path, seed=2)
            assert os.listdir(tmp_path) == ["step-1"]
            return
        pytest.fail("the write never came to an end")

    def test_leftovers_of_a_killed_write_go_with_the_next_of_that_name(self, tmp_path):
        (tmp_path / ".step-1.0badcafe.tmp").mkdir()
        (tmp_path / ".step-2.0badcafe.tmp").mkdir()

        write_small(tmp_path / "step-1")

        assert sorted(os.listdir(tmp_path)) == [".step-2.0badcafe.tmp", "step-1"]

    def test_every_file_is_on_the_disk_before_the_directory_gets_its_name(
        self, tmp_path, monkeypatch
    ):
        events = []
        real_open, real_sync, real_rename = os.open, os.fsync, os.rename
        opened = {}

        def watched_open(path, *args, **kwargs):
            descriptor = real_open(path, *args, **kwargs)
            opened[descriptor] = os.path.basename(path)
            return descriptor

        monkeypatch.setattr(os, "open", watched_open)
        monkeypatch.setattr(os, "fsync", lambda d: (events.append(opened[d]), real_sync(d)))
        monkeypatch.setattr(
            os, "rename", lambda a, b, **k: (events.append("rename"), real_rename(a, b, **k))
        )
        write_small(tmp_path / "step-1")

        assert set(FILES) < set(events[: events.index("rename")])
        assert events[-1] == tmp_path.name


class KilledError(BaseException):
    """Stands for the end of the process; nothing catches it."""


def read_seed(path):
    weights = read_model(path)[1]
    return 1 if torch.equal(weights["trunk.weight"], small_weights(1)["trunk.weight"]) else 2


def stop_after(monkeypatch, stop_at):
    """Let the n-th call that changes the disk raise, and every one after it."""
    calls = []

    def guarded(real):
        def call(*args, **kwargs):
            calls.append(real)
            if len(calls) >= stop_at:
                raise KilledError
            return real(*args, **kwargs)

        return call

    for name in ("fsync", "rename", "mkdir", "rmdir", "unlink"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))
    return calls


def test_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "file").touch()
    write_small(tmp_path / "step-1")
    point(tmp_path / "last", tmp_path / "step-1")

    for name in ("results", "file", "last"):
        with pytest.raises(CheckpointError, match="not overwritten"):
            write_small(tmp_path / name)
        with pytest.raises(CheckpointError, match="not removed"):
            remove_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match="not a link"):
        point(tmp_path / "results", tmp_path / "step-1")
    assert sorted(os.listdir(tmp_path)) == ["file", "last", "results", "step-1"]


def test_a_removed_checkpoint_is_gone(tmp_path):
    remove_checkpoint(write_small(tmp_path / "step-1"))

    assert os.listdir(tmp_path) == []


def test_a_link_is_relative_and_moves_from_one_checkpoint_to_the_next(tmp_path):
    run = tmp_path / "run"
    first, second = write_small(run / "step-1", seed=1), write_small(run / "step-2", seed=2)

    point(run / "best", first)
    assert_whole(run / "best", seed=1)
    point(run / "best", second)

    assert sorted(os.listdir(run)) == ["best", "step-1", "step-2"]
    run.rename(tmp_path / "moved")
    assert_whole(tmp_path / "moved" / "best", seed=2)
