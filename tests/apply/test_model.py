import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_model import SPECS, write_tiny_model

from graphium.apply.model import Model, load_model
from graphium.errors import CheckpointError, UsageError
from graphium.graphs.reasons import TEXT_AFTER
from graphium.nn.pairs import every_pair
from graphium.store.limits import Limits
from graphium.testing.hostile import hostile_rows

SMILES = [
    "CCO", "c1ccccc1C(=O)O", "not a smiles", "C", None, "[Na+].[Cl-]", "CC(C)(C)c1ccc(O)cc1", "",
    "O=C1CCCN1", "N#N", "C(C)(C)(C)(C)C", "OC1CCCCC1",
]  # fmt: skip
FAILED = [2, 4, 7, 10]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("model") / "checkpoint"))


def test_there_is_a_row_for_each_smiles_and_a_reason_for_each_failure(model: Model) -> None:
    table = model.predict(SMILES)

    assert len(table) == len(SMILES)
    assert np.flatnonzero(table["error"].notna()).tolist() == FAILED
    assert table["error"][2].startswith("syntax")
    assert table["error"][4].startswith("empty")
    assert table["error"][10].startswith("valence")
    assert table.loc[FAILED, "expt_predicted"].isna().all()
    assert table.loc[FAILED, "class_predicted"].isna().all()
    assert table.drop(index=FAILED).drop(columns="error").notna().all(axis=None)


def test_text_after_a_smiles_is_refused_as_such(model: Model) -> None:
    errors = model.predict(["CCO |$a;b;c$|", "CCO name", "C1CC", " CCO "])["error"].tolist()

    assert errors == [f"syntax: {TEXT_AFTER}"] * 2 + ["syntax: not a SMILES", None]


def test_predictions_do_not_depend_on_the_batch_size(model: Model) -> None:
    one_by_one = model.predict(SMILES, batch_size=1)
    three = model.predict(SMILES, batch_size=3)
    together = model.predict(SMILES, batch_size=100)

    for name in ("expt_predicted", "active_predicted", "class_p1"):
        np.testing.assert_allclose(one_by_one[name], together[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(three[name], together[name], rtol=1e-5, atol=1e-6)
    for name in ("d_predicted", "r_predicted"):
        for a, b in zip(one_by_one[name], together[name], strict=True):
            assert (a is None) == (b is None)
            np.testing.assert_allclose(a or [], b or [], rtol=1e-5, atol=1e-6)


def test_predictions_do_not_depend_on_the_other_rows(model: Model) -> None:
    alone = model.predict([SMILES[6]])
    among = model.predict(SMILES)

    np.testing.assert_allclose(alone["calc_predicted"][0], among["calc_predicted"][6], rtol=1e-5)


def test_chunks_are_put_together_in_order(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.predict(SMILES)
    monkeypatch.setattr("graphium.apply.model.CHUNK", 5)
    cut = model.predict(SMILES)

    assert whole["error"].tolist() == cut["error"].tolist()
    np.testing.assert_allclose(whole["expt_predicted"], cut["expt_predicted"], rtol=1e-5)
    np.testing.assert_allclose(model.embed(SMILES)[11], model.embed(SMILES[11:])[0], rtol=1e-4)


def test_numbers_come_in_the_unit_of_their_labels(model: Model) -> None:
    table = model.predict(["CCO"])
    units = [table["expt_predicted"][0], table["calc_predicted"][0]]

    raw = SPECS[0].model_copy(update={"mean": None, "std": None})
    unscaled = Model(model.network, model.experiment, [raw, *SPECS[1:]]).predict(["CCO"])
    scaled = [unscaled["expt_predicted"][0], unscaled["calc_predicted"][0]]

    np.testing.assert_allclose(units, np.array(scaled) * [2.0, 10.0] + [-3.8, 100.0], rtol=1e-5)


def test_classes_come_with_their_names_and_probabilities(model: Model) -> None:
    table = model.predict(["CCO", "bad smiles", "CCN"])
    known = table.drop(index=1)

    probabilities = known[["class_p0", "class_p1", "class_p2"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    names = np.array(["low", "medium", "high"])[probabilities.argmax(1)]
    assert known["class_predicted"].tolist() == names.tolist()
    assert set(known["kind_predicted"]) <= {0, 1}
    assert known["active_predicted"].between(0, 1).all()


def test_atoms_and_bonds_have_a_number_each_in_the_order_of_the_smiles(model: Model) -> None:
    table = model.predict(["OCC", "CCO", "C"])

    assert [len(cell) for cell in table["q_predicted"]] == [3, 3, 1]
    assert [len(cell) for cell in table["d_predicted"]] == [2, 2, 0]
    forward, backward = table["q_predicted"][0], table["q_predicted"][1]
    np.testing.assert_allclose(forward, backward[::-1], rtol=1e-4, atol=1e-5)
    assert abs(forward[0] - forward[2]) > 1e-3
    assert json.loads(json.dumps(forward)) == forward


def test_pairs_have_a_number_each_in_the_order_of_the_upper_triangle(model: Model) -> None:
    smiles = ["OCCN", "NCCO", "C", "[Na+].[Cl-]"]

    table = model.predict(smiles)

    assert [len(cell) for cell in table["r_predicted"]] == [6, 6, 0, 1]
    squares = np.zeros((2, 4, 4))
    for square, cell in zip(squares, table["r_predicted"], strict=False):
        square[np.triu_indices(4, 1)] = cell
    forward, backward = squares + squares.transpose(0, 2, 1)
    np.testing.assert_allclose(forward, backward[::-1, ::-1], rtol=1e-4, atol=1e-5)
    assert len(np.unique(forward[np.triu_indices(4, 1)].round(5))) == 6


def test_a_molecule_of_many_pairs_is_answered_in_pieces(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    smiles = ["C" * 30, "CCO", "C" * 20]
    whole = model.predict(smiles)
    seen: list[int] = []
    head = next(one for name, one in model.network.heads.items() if "apart" in name)
    handle = head.register_forward_hook(lambda _, rows, out: seen.append(len(out)))
    monkeypatch.setattr("graphium.nn.network.every_pair", partial(every_pair, at_once=100))

    cut = model.predict(smiles)
    handle.remove()

    for a, b in zip(whole["r_predicted"], cut["r_predicted"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert sum(seen) == 435 + 3 + 190
    assert max(seen) <= 100 + 3


def test_embeddings_are_rows_of_floats_and_nan_where_there_is_no_molecule(model: Model) -> None:
    vectors = model.embed(SMILES)

    assert vectors.dtype == np.float32
    assert vectors.shape == (len(SMILES), 16)
    assert np.flatnonzero(np.isnan(vectors).any(1)).tolist() == FAILED
    assert np.isnan(vectors[FAILED]).all()
    one_by_one = model.embed(SMILES, batch_size=1)
    np.testing.assert_allclose(vectors, one_by_one, rtol=1e-4, atol=1e-5)


def test_no_molecule_at_all_gives_a_table_with_the_same_columns(model: Model) -> None:
    some = model.predict(["CCO"])

    assert model.predict([]).columns.tolist() == some.columns.tolist()
    assert len(model.predict([])) == 0
    assert model.predict(["nonsense", None])["expt_predicted"].isna().all()
    assert model.embed([]).shape == (0, 16)
    assert model.embed(["nonsense"]).shape == (1, 16)


def test_a_single_string_is_not_taken_for_a_list_of_letters(model: Model) -> None:
    with pytest.raises(UsageError, match=r"\['CCO'\]"):
        model.predict("CCO")


def test_a_column_of_a_table_is_as_good_as_a_list(model: Model) -> None:
    column = pd.Series(["CCO", None, "CC"], index=[5, 5, 9])

    table = model.predict(column)

    assert table["expt_predicted"].isna().tolist() == [False, True, False]
    assert table.index.tolist() == [0, 1, 2]


def test_dropout_is_off_and_gradients_are_not_kept(model: Model) -> None:
    first, second = model.predict(["CCOC"]), model.predict(["CCOC"])

    pd.testing.assert_frame_equal(first, second)
    assert not model.network.training


def test_a_label_that_two_tasks_share_is_told_apart_by_its_task(model: Model) -> None:
    twin = SPECS[1].model_copy(update={"labels": ["expt"]})
    specs = [SPECS[0], twin, *SPECS[2:]]

    columns = Model(model.network, model.experiment, specs).predict(["CCO"]).columns

    assert {"energy.expt_predicted", "toxicity.expt_predicted", "calc_predicted"} <= set(columns)
    assert "expt_predicted" not in columns


def test_a_missing_checkpoint_and_a_missing_device_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "nothing")
    path = write_tiny_model(tmp_path / "checkpoint")
    with pytest.raises(UsageError, match="cuda:7"):
        load_model(path, device="cuda:7" if torch.cuda.device_count() < 8 else "cuda:99")
    with pytest.raises(UsageError, match="toaster"):
        load_model(path, device="toaster")


def test_predictions_are_the_same_in_and_out_of_this_process(model: Model) -> None:
    here = model.predict(SMILES)
    long = "C" * 200
    in_worker = model.predict([*SMILES, long])[: len(SMILES)]

    pd.testing.assert_frame_equal(here, in_worker, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.embed([*SMILES, long])[:2], model.embed(SMILES)[:2], rtol=1e-4)


def test_a_row_that_hangs_fails_with_its_reason(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHIUM_WORKER_FAULTS", '{"CCCCO": "hang", "CCCCN": "crash"}')
    guarded = Model(model.network, model.experiment, model.specs, limits=Limits(row_timeout=1.0))

    table = guarded.predict(["C"] * 70 + ["CCCCO", "CCCCN", "CC"])

    assert table["error"][70].startswith("timeout")
    assert table["error"][71].startswith("crashed")
    assert table["error"].notna().sum() == 2
    assert table["expt_predicted"].isna().sum() == 2


def test_every_hostile_row_fails_and_no_other(model: Model) -> None:
    rows = [row for row in hostile_rows().values() if not isinstance(row, bytes)]
    table = model.predict([text for row in rows for text in ("CCO", row)])

    assert table["error"].isna().tolist() == [True, False] * len(rows)
