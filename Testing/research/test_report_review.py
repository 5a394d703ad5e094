"""The answers of the experiment `review`: each follows from the records, and is said with what was wanted."""

import pytest
from study_records import some_structures, write_results

from SAM2VolumeSegLib.research.study.experiments import reviewed_row
from SAM2VolumeSegLib.research.study.mending import ADVISED, BEST, CHANCE, SUGGESTED, TITLES
from SAM2VolumeSegLib.research.study.report.review import answers, section
from SAM2VolumeSegLib.research.study.report.rows import read_folders
from SAM2VolumeSegLib.research.study.report.statistics import resampled

AFTER = {SUGGESTED: 0.08, ADVISED: 0.04, CHANCE: 0.02, BEST: 0.1}


def dice_of(structure, experiment, row):
    """Each structure is a little better than the one before; mending gains as `AFTER` says, whatever the number."""
    before = 0.8 + 0.005 * int(structure.name.rpartition("_")[2])
    gained = {
        reviewed_row(start, by, n): AFTER[by] for start in ("9 slices", "3 slices") for by in AFTER for n in (1, 2, 3)
    }
    return round(before + gained.get(row, 0.0), 6)


@pytest.fixture(scope="module")
def the_answers(tmp_path_factory):
    """Of eight structures of four CTs."""
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, some_structures(4, 2), ["review"], dice_of)
    found = read_folders([folder])
    (model,) = found.models()
    head, *lines = answers(found, model)
    return [dict(zip(head, line, strict=True)) for line in lines], section([head, *lines])


def answer(lines, beginning, painted="9 slices"):
    (found,) = [one for one in lines if one["question"].startswith(beginning) and one["painted"] == painted]
    return found


def test_a_gain_is_a_share_of_that_of_the_best(the_answers):
    lines, _text = the_answers
    for by in (SUGGESTED, ADVISED, CHANCE):
        found = answer(lines, f"Gain in Dice as a share of the best of three: {TITLES[by]}, 2 slices")
        assert found["answer"] == pytest.approx(AFTER[by] / AFTER[BEST])
        assert found["lower"] == pytest.approx(found["upper"]), "every CT gained the same"


def test_the_answers_are_those_of_the_records(the_answers):
    """`study_records.a_review` has the same facts for every structure; expected Dice is 0.98 of the true one."""
    lines, _text = the_answers
    assert answer(lines, "Is what is called")["answer"] == pytest.approx(0.9)
    assert answer(lines, "Does expected Dice follow")["answer"] == pytest.approx(1)
    assert answer(lines, "How often does the 90 %")["answer"] == 1
    assert answer(lines, "Share of the wrong volume")["answer"] == pytest.approx(0.6)
    assert answer(lines, "... as a multiple")["answer"] == pytest.approx(6)
    assert answer(lines, "... and of what these hold")["answer"] == pytest.approx(1.5)
    assert answer(lines, "Time of the self-check")["answer"] == pytest.approx(2.0 / 2.5)
    assert {one["n"] for one in lines} == {8}


def test_each_answer_stands_beside_what_was_wanted(the_answers):
    lines, text = the_answers
    for one in lines:
        assert f"| {one['question']} | {one['wanted']} |" in text.replace("\\|", "|")
    assert "from 9 slices" in text and "from 3 slices" in text and "n = 8" in text


def test_too_few_cts_have_no_interval_and_a_figure_that_is_not_there_is_none():
    """Of two CTs, nothing but the one, the other and their mean could come out."""
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    assert resampled([("a", 1.0), ("b", 2.0), ("b", 3.0)], mean) is None
    lower, upper = resampled([("a", 1.0), ("b", 2.0), ("c", 3.0)], mean)
    assert 1 <= lower < 2 < upper <= 3
    assert resampled([("a", 1.0), ("b", 2.0), ("c", 3.0)], lambda values: None) is None
