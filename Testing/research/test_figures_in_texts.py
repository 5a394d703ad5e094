"""Figures that texts quote are those of the committed results, and the committed results are of the bundled model."""

import csv
import re
import shutil

import pytest
from study_records import some_structures, write_results

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.research.study.readme import DEMO, FOLDERS, RESULTS, ROOT, Quotes, rewritten, texts
from SAM2VolumeSegLib.research.study.report import write_report

OURS = RESULTS / "demo-160-ours.csv"


@pytest.fixture
def a_checkout(tmp_path):
    """A copy of all that is quoted and of all that quotes, to be changed."""
    shutil.copytree(ROOT / RESULTS, tmp_path / RESULTS, ignore=shutil.ignore_patterns("*.png", "*structures.csv"))
    for path in [*texts(), *(ROOT / "SAM2VolumeSegLib/model/demo").iterdir()]:
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_every_figure_is_as_in_the_results():
    """Else: sam2-volume-seg study readme"""
    assert [path.name for path in rewritten()] == []


def test_the_results_are_of_the_bundled_model():
    """A new model without a new study would be praised with the old one's figures."""
    sha256 = checkpoints.verify(checkpoints.find("demo"))
    with (ROOT / OURS).open(encoding="utf-8") as file:
        assert {line["sha256"] for line in csv.DictReader(file)} - {""} == {sha256}
    assert f"## Model demo, 160 px, {sha256[:8]}" in (ROOT / RESULTS / "report.md").read_text(encoding="utf-8")
    with (ROOT / RESULTS / DEMO).open(encoding="utf-8") as file:
        assert {line["model"] for line in csv.DictReader(file)} - {""} == {sha256[:8]}


def test_another_result_is_another_text_and_nothing_else_changes(a_checkout):
    assert rewritten(a_checkout) == {}
    content = (a_checkout / OURS).read_text(encoding="utf-8")
    old = Quotes(a_checkout).of('mean ours "9 prompts, one axis" dice')
    changed = re.sub(r'("9 prompts, one axis",demo,160,\w+,48),[\d.]+', r"\1,0.123", content)
    (a_checkout / OURS).write_text(changed, encoding="utf-8")
    ((path, text),) = rewritten(a_checkout).items()
    assert path == a_checkout / "docs" / "study.md"
    assert text == path.read_text(encoding="utf-8").replace(f"-->{old}<!--", "-->0.123<!--")


def test_a_finding_that_no_longer_holds_moves_to_the_others(a_checkout):
    report = a_checkout / RESULTS / "report.md"
    (held,) = [one for one in Quotes(a_checkout).of("findings holds").splitlines() if "IS + SPS beats the base" in one]
    text = report.read_text(encoding="utf-8")
    report.write_text(
        text.replace(
            "IS + SPS beats the baseline | +0.037 | **holds**",
            "IS + SPS beats the baseline | +0.037 | **does not hold**",
        ),
        encoding="utf-8",
    )
    quotes = Quotes(a_checkout)
    assert "IS + SPS beats the baseline" not in quotes.of("findings holds")
    assert held in quotes.of('findings "does not hold"').splitlines()


@pytest.mark.parametrize(
    "asked",
    ["means", "mean ours", 'mean ours "no such row" dice', "mean nowhere row dice", 'mean "ours', "", "demo-model age"],
)
def test_what_is_not_there_is_said_with_the_file_that_asks(a_checkout, asked):
    (a_checkout / "docs" / "new.md").write_text(f"<!-- figures: {asked} -->1<!-- end -->")
    with pytest.raises(InputError, match='"docs/new.md": the results have no figures for: '):
        rewritten(a_checkout)


def test_the_table_of_what_is_painted_has_the_lead_over_the_best_opponent(tmp_path):
    """The README's answer to: how much must I paint, and what is the model worth?"""
    inside = "9 slices, inside"
    level = {inside: 0.95, f"Marker watershed, {inside}": 0.9, f"Grow from seeds, {inside}": 0.85}
    structures = some_structures(4, 2)
    write_results(tmp_path / "results", structures, ["painting", "order"], lambda one, _, row: level.get(row, 0.7))
    (tmp_path / RESULTS / FOLDERS["painting"]).mkdir(parents=True)
    report = write_report([tmp_path / "results"], tmp_path / RESULTS / FOLDERS["painting"])
    table = Quotes(tmp_path).of("painting")
    assert "| 9 slices, inside | 0.950 | 1.00 | - | - | 2.5 | Marker watershed | +0.050 [+0.050, +0.050] |" in table
    assert "| 1 axial slice | 0.700 |" in table and table.count("Grow from seeds") == 0
    text = report.read_text(encoding="utf-8")
    assert f"| {inside} | Marker watershed, {inside} | 8 | 4 | +0.050 [+0.050, +0.050] |" in text
    assert "Intervals are over 4 CTs, which are few" in text
    order = Quotes(tmp_path).of("order")
    assert "| 1: as advised | 0.700 | 3.50 | - | - |" in order
    assert "| 9: a quarter, half, three quarters | 0.950 | 1.00 | 9: as advised | +0.250 [+0.250, +0.250] |" in order


PAGES = [path for path in texts() if path.name != "README.md" or path.parent != ROOT]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page):
    """Pages beside the code are forgotten when a file moves."""
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_an_installed_package_has_no_texts(tmp_path):
    with pytest.raises(InputError, match="is no checkout"):
        rewritten(tmp_path)


def test_the_command_says_that_there_is_nothing_to_do(capsys):
    assert cli.main(["study", "readme"]) == 0
    assert capsys.readouterr().out == "Every figure is as in the results.\n"
