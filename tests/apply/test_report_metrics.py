"""What the page says of many labels, of classes, of thresholds and of rows that were left out."""

import json

import pytest
from fabricated_run import fabricate_run

from graphium.apply.report import MAX_LABELS, write_report


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = fabricate_run(tmp_path_factory.mktemp("runs") / "one", rows=3)
    content = json.loads((run / "results.json").read_text())
    content["rows_left_out"] = {"test": {"energy": [12_345, 67_890]}}
    many = {f"assay-{i}-": {"test": {"auroc": i / 99, "ap": None}} for i in range(100)}
    content["tasks"]["many"] = content["tasks"]["toxicity"] | {
        "labels": list(many),
        "per_label": many,
        "threshold_for": "mcc",
        "test": {"auroc": 0.5, "ap": None},
    }
    (run / "results.json").write_text(json.dumps(content))
    (run / "metrics" / "test").mkdir(parents=True)
    (run / "metrics" / "test" / "solubility_classes.csv").write_text(
        "label,class,name,labels,precision,recall,f1\n"
        "class,0,low,1200,0.25,0.75,0.375\nclass,1,high <b>,0,,,\n"
    )
    return write_report(run, baselines=False).read_text(encoding="utf-8")


def test_of_many_labels_the_best_and_the_worst_are_shown(text: str) -> None:
    shown = [i for i in range(100) if f"assay-{i}-" in text]
    assert shown == [*range(20), *range(80, 100)]
    assert len(shown) == MAX_LABELS
    assert text.index("assay-99-") < text.index("assay-80-") < text.index("assay-0-")
    assert "the 40 best and worst of 100 labels" in text
    assert "metrics/test/many.csv" in text


def test_chosen_thresholds_and_rows_left_out_are_said(text: str) -> None:
    assert "chosen for the highest mcc on val" in text
    assert "12,345 of 67,890 rows" in text


def test_each_class_has_a_line(text: str) -> None:
    assert "<td>low</td>" in text
    assert "1,200" in text
    assert "0.375" in text
    assert "high &lt;b&gt;" in text
