"""The questions of a class: their answers are those of the run, and the paper's figures are the paper's."""

import numpy as np
import pytest

from SAM2VolumeSegLib.lesson.questions import PAPER
from SAM2VolumeSegLib.lesson.run import PLANES
from SAM2VolumeSegLib.research.study import paper
from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def answers(embedded):
    return {question["name"]: question for question in embedded["questions"]}


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_there_are_five(answers):
    assert list(answers) == ["seeds", "ages", "stock", "axes", "paint"]


@pytest.mark.parametrize(
    ("question", "figure", "table", "row"),
    [
        ("seeds", "near", "threshold", "Temp 0.3"),
        ("seeds", "all", "threshold", "Temp 1.0 (Baseline)"),
        ("ages", "is", "capacity", "Intelligent Slicing"),
        ("ages", "plain", "capacity", "Sliced 2"),
        ("stock", "best", "final", "IS + SPS"),
        ("stock", "stock", "final", "Baseline"),
        ("axes", "three", "propagation", "Three Axis, 9 prompts"),
        ("axes", "one", "propagation", "Single Axis, 9 prompts (Baseline)"),
        ("paint", "middle", "prompts", "Middle (1)"),
        ("paint", "three", "prompts", "F-M-L (3)"),
        ("paint", "seven", "prompts", "Uniform (7)"),
    ],
)
def test_the_papers_figures_are_those_of_its_tables(question, figure, table, row):
    found = paper.TABLES[table]
    assert PAPER[question][figure] == found.rows[row].dice[0]
    assert (PAPER[question]["source"], PAPER[question]["volumes"]) == (found.name, found.volumes)


def test_which_memory_misled_the_slice_that_goes_wrong_first(a_lesson, answers):
    """The slice is the first on which the wider radius is worse; the memory is a painted slice that SPS kept out."""
    values, places = answers["seeds"]["values"], answers["seeds"]["places"]
    near, afar = a_lesson.runs[1], a_lesson.runs[3]
    plane = Plane(values["plane"])
    axis, position = PLANES.index(plane), a_lesson.upright.indices(plane).index(values["index"])

    def figures(n):
        at = (slice(None),) * axis + (n,)
        return [dice(run.answer(plane)[at], a_lesson.reference[at]) for run in (near, afar)]

    assert values["dice"] == pytest.approx(figures(position))
    assert values["dice"][1] < values["dice"][0] - 0.02
    earlier = [n for n in range(position) if near.told(plane)[n] and afar.told(plane)[n]]
    assert all(b >= a - 0.02 for a, b in map(figures, earlier))
    walk = afar.walks[plane, places[1]["step"]]
    (seen,) = (one for one in walk.seen.values() if one.index == values["index"])
    shares = {looked.index: looked.share for looked in seen.spatial}
    assert values["memory"] in walk.given and shares[values["memory"]] == pytest.approx(values["share"])
    known = near.walks[plane, places[1]["step"]]
    (seen,) = (one for one in known.seen.values() if one.index == values["index"])
    assert values["memory"] not in {looked.index for looked in seen.spatial}


def test_the_cross_is_where_axes_contradict_each_other(a_lesson, answers):
    values, point = answers["axes"]["values"], tuple(answers["axes"]["places"][0]["point"])
    run = a_lesson.runs[0]
    says = {plane.value: float(run.votes[plane][point]) for plane in PLANES}
    assert values["says"] == pytest.approx(says)
    assert max(says.values()) > 2 and min(says.values()) < -2
    assert values["inside"] == run.final[point] == a_lesson.reference[point]


def test_the_slice_to_paint_next_is_the_worst_of_those_with_much_of_the_structure(a_lesson, answers):
    values, worst = answers["paint"]["values"], 1
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        area = a_lesson.reference.sum(axis=others)
        for n in np.flatnonzero(area >= area.max() / 5):
            at = (slice(None),) * axis + (n,)
            worst = min(worst, dice(a_lesson.runs[0].final[at], a_lesson.reference[at]))
    assert values["figure"] == pytest.approx(worst)
