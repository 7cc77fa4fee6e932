import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fabricated_run import fabricate_baselines, fabricate_run

from graphium.apply.report import format_duration, write_report
from graphium.errors import DataError


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what tests look at."""

    VOID = ("meta", "br", "path", "use", "ellipse", "rect", "image")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _report(run: Path) -> tuple[str, Page]:
    text = write_report(run, baselines=False).read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    run = fabricate_run(tmp_path_factory.mktemp("runs") / "one")
    fabricate_baselines(run)
    return _report(run)


def test_the_page_is_well_formed_and_every_id_is_unique(page: tuple[str, Page]) -> None:
    assert page[1].open == []
    assert len(page[1].ids) == len(set(page[1].ids)) > 50


def test_every_drawing_is_well_formed_xml_and_points_into_itself(page: tuple[str, Page]) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page[0], flags=re.DOTALL)
    assert len(drawings) > 10
    for drawing in drawings:
        ET.fromstring(drawing)
        wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawing))
        assert wanted <= set(re.findall(r'\bid="([^"]+)"', drawing))


def test_the_page_needs_neither_network_nor_script(page: tuple[str, Page]) -> None:
    assert "script" not in page[1].tags
    assert "default-src 'none'" in page[0]
    assert all(link.startswith(("#", "data:")) for link in page[1].links)
    assert not re.search(r"@import|url\((?!#)", page[0])


def test_what_comes_from_data_is_escaped(page: tuple[str, Page]) -> None:
    assert "high <b>" in page[1].text
    assert "<positive>" in page[1].text
    assert "b" not in page[1].tags
    assert "positive" not in page[1].tags


def test_the_page_says_what_was_run(page: tuple[str, Page]) -> None:
    for fact in ("fabricated", "seed 7", "123,456", "80 / 10 / 10", "1 min 23 s", "1,234"):
        assert fact in page[1].text
    assert "4 molecules are in two datasets" in page[1].text
    assert "max_epochs: 3" in page[1].text


def test_each_task_stands_on_one_line_with_its_baselines_and_the_best_is_marked(
    page: tuple[str, Page],
) -> None:
    table = page[0].split('id="tasks"')[1].split("</table>")[0]
    lines = re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)[2:]

    assert len(lines) == 6
    cells = re.findall(r'<td class="n ([a-z]*)">([^<]*)<', lines[0])
    assert cells[:3] == [("", "0.410"), ("", "1.500"), ("best", "0.300")]
    assert re.findall(r'<td class="n ([a-z]*)">', lines[1])[:3] == ["", "absent", "absent"]


def test_undefined_metrics_are_called_undefined(page: tuple[str, Page]) -> None:
    section = page[0].split("<h2>solubility</h2>")[1].split("</table>")[0]

    assert '<td class="n undefined">undefined</td>' in section


def test_every_task_has_its_figure_and_its_worst_molecules(page: tuple[str, Page]) -> None:
    for index, kind in enumerate(["parity", "roc", "classes", "parity", "parity", "parity"]):
        section = page[0].split(f'<section id="task-{index}"')[1].split("</section>")[0]
        assert f'id="t{index}-{kind}-figure_1"' in section
        assert section.count('<div class="mol">') == 4
        assert section.count("measured</td>") == 4


def test_worst_atoms_bonds_and_pairs_are_highlighted(page: tuple[str, Page]) -> None:
    graph, node, edge, pair = (
        page[0].split(f'<section id="task-{i}"')[1].split("</section>")[0] for i in (0, 3, 4, 5)
    )

    assert "<ellipse" not in graph
    assert node.count("<ellipse") == 4
    assert re.search(r", atom \d", node)
    assert re.search(r", bond \d", edge)
    assert pair.count("<ellipse") == 8
    assert re.search(r", atoms \d and \d", pair)
    assert "The worst of the pairs of atoms of each molecule is marked" in pair
    assert "#FF7F7F" in edge


def test_a_large_run_makes_a_page_of_bounded_size(tmp_path: Path) -> None:
    run = fabricate_run(tmp_path / "large", rows=5_000)

    text, _ = _report(run)

    assert len(text) < 1_500_000
    assert "data:image/png;base64" in text


def test_a_run_without_validation_labels_baselines_or_history_still_has_a_page(
    tmp_path: Path,
) -> None:
    run = fabricate_run(tmp_path / "bare", has_val=False)
    for name in ("metrics.csv", "environment.json", "splits.json"):
        (run / name).unlink()

    text, page = _report(run)

    assert page.open == []
    assert 'id="losses"' not in text
    assert "forest" not in page.text
    assert "fabricated" in page.text


def test_a_run_without_any_prediction_has_metrics_and_no_figures(tmp_path: Path) -> None:
    run = fabricate_run(tmp_path / "silent")
    for path in run.glob("predictions/*/*.csv"):
        header = path.read_text().splitlines()[0]
        path.write_text(header + "\n")

    text, page = _report(run)

    assert page.open == []
    assert 'class="mol"' not in text
    assert "0.410" in page.text


def test_the_page_of_a_run_can_be_written_again(tmp_path: Path) -> None:
    run = fabricate_run(tmp_path / "again")

    first, _ = _report(run)
    second, _ = _report(run)

    assert first == second
    assert not list(run.glob(".report*"))


def test_what_is_no_finished_run_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no results\.json"):
        write_report(tmp_path, baselines=False)
    run = fabricate_run(tmp_path / "name" / "time")
    with pytest.raises(DataError, match=f"Did you mean {run}"):
        write_report(tmp_path / "name", baselines=False)
    (tmp_path / "stopped" / "checkpoints" / "last").mkdir(parents=True)
    with pytest.raises(DataError, match="--resume"):
        write_report(tmp_path / "stopped", baselines=False)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = fabricate_run(tmp_path / "damaged")
    (run / "splits.json").write_text("{")
    with pytest.raises(DataError, match=r"splits\.json is damaged"):
        write_report(run, baselines=False)
    content = json.loads((run / "results.json").read_text())
    del content["tasks"]
    (run / "results.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"results\.json is damaged"):
        write_report(run, baselines=False)


def test_durations_are_said_as_people_say_them() -> None:
    assert format_duration(5.83) == "5.8 s"
    assert format_duration(200) == "3 min 20 s"
    assert format_duration(3_725) == "1 h 02 min"
