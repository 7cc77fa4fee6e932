"""Reading through zarr-python and, where it is installed, through zarrs."""

from unittest import mock

import numpy as np
import pytest

from graphium.errors import StoreError
from graphium.store import arrays
from graphium.store.arrays import array_sha256, read_array, write_arrays


@pytest.fixture(params=["zarr-python", "zarrs"])
def pipeline(request):
    """Options of zarr, as they are where zarrs is installed or is not."""
    options = {}
    if request.param == "zarrs":
        pytest.importorskip("zarrs", reason="the extra `fast` is not installed")
        options = arrays._fast_pipeline()
        assert options
    with mock.patch.object(arrays, "_fast_pipeline", return_value=options):
        yield


CONTENT = {
    "wide": np.arange(300_000, dtype=np.uint16).reshape(-1, 3),
    "long": np.arange(200_000, dtype=np.uint32) % 7,
    "empty": np.zeros((0, 6), np.int16),
    "floats": np.linspace(0, 1, 1000, dtype=np.float32),
}


def write(folder):
    write_arrays(folder, CONTENT, {})
    return {name: array_sha256(array) for name, array in CONTENT.items()}


def test_arrays_come_back_as_they_were(pipeline, tmp_path):
    digests = write(tmp_path / "group")

    for name, expected in CONTENT.items():
        np.testing.assert_array_equal(read_array(tmp_path / "group", name), expected)
        found = read_array(tmp_path / "group", name, digests[name])
        np.testing.assert_array_equal(found, expected)
        assert array_sha256(found) == digests[name]


@pytest.mark.parametrize("knows_digest", [True, False])
@pytest.mark.parametrize("damage", ["short file", "no metadata", "other metadata"])
def test_damage_is_found(pipeline, tmp_path, damage, knows_digest):
    digests = write(tmp_path / "group")
    (shard,) = (tmp_path / "group" / "long").glob("c.*")
    metadata = tmp_path / "group" / "long" / "zarr.json"
    if damage == "short file":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "no metadata":
        metadata.unlink()
    else:
        metadata.write_text('{"zarr_format": 3}')

    with pytest.raises(StoreError, match="is damaged"):
        read_array(tmp_path / "group", "long", digests["long"] if knows_digest else None)


@pytest.mark.parametrize("knows_digest", [True, False])
def test_no_flipped_bit_changes_what_is_read(pipeline, tmp_path, knows_digest):
    digests = write(tmp_path / "group")
    (shard,) = (tmp_path / "group" / "long").glob("c.*")
    content = shard.read_bytes()
    random = np.random.default_rng(0)
    num_found = 0
    for place in random.integers(len(content), size=100).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        shard.write_bytes(flipped)
        try:
            found = read_array(
                tmp_path / "group", "long", digests["long"] if knows_digest else None
            )
        except StoreError:
            num_found += 1
        else:  # zarrs does not look at a checksum, so that a bit of it may flip
            np.testing.assert_array_equal(found, CONTENT["long"])

    assert num_found > 80


def test_an_absent_shard_is_found_where_the_digest_is_known(pipeline, tmp_path):
    digests = write(tmp_path / "group")
    next((tmp_path / "group" / "long").glob("c.*")).unlink()

    with pytest.raises(StoreError, match="other values than were written"):
        read_array(tmp_path / "group", "long", digests["long"])
