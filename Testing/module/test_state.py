"""What the sections share: what is painted, what the user said over it, and whether a run can start."""

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.volume import Plane


def heard(signal):
    """A list that grows when a signal is sent."""
    calls = []
    signal.connect(lambda: calls.append(1))
    return calls


def test_a_segment_whose_slices_are_all_switched_off_is_left_out_of_a_run(a_state):
    marks = a_state.marks
    marks = marks.switched("bone", (Plane.AXIAL, 10), used=False)
    a_state.setMarks(marks)
    assert [seed.index for seed in a_state.seedsOfRun()["bone"]] == [4, 16]
    for index in (4, 16):
        marks = marks.switched("bone", (Plane.AXIAL, index), used=False)
    a_state.setMarks(marks)
    assert a_state.wantedSegments() == ["bone"] and a_state.seedsOfRun() == {}


def test_marks_do_not_leak_to_other_nodes_with_the_same_segment_id(a_state):
    marks = a_state.marks
    marks = marks.switched("bone", (Plane.AXIAL, 10), used=False)
    a_state.setMarks(marks)
    assert a_state.marks.skipped
    a_state.parameters.volume = object()
    assert not a_state.marks.skipped


def test_only_the_selected_segment_is_wanted_where_the_user_says_so(a_state):
    a_state.parameters.scope = ch.Scope.SELECTED
    assert a_state.wantedSegments() == ["bone"]
    a_state.selectedSegmentID = lambda: "rib"
    assert a_state.segment.name == "Rib" and a_state.wantedSegments() == []
    a_state.selectedSegmentID = lambda: "gone"
    assert a_state.segment.name == "Bone"  # the first


def test_what_is_wrong_with_the_nodes_is_kept_as_a_sentence(a_state):
    def refused(segmentation, volume):
        raise InputError("This is no CT.")

    seeds = heard(a_state.seedsChanged)
    a_state.logic.findSeeds = refused
    a_state.findSeeds()
    assert (a_state.found.volume, a_state.found.seeds, a_state.found.problem) == (None, {}, "This is no CT.")
    a_state.parameters.volume = None
    a_state.findSeeds()
    assert a_state.found.problem == "" and a_state.found.volume is None and len(seeds) == 2  # not a complaint


def test_a_plan_holds_for_the_choices_it_was_made_for(a_state):
    assert a_state.plan.isReady and a_state.plan.device == "cuda:0"
    plans = heard(a_state.planChanged)
    a_state.makePlan()
    assert plans == []  # PyTorch is asked once
    a_state.parameters.device = ch.Device.CPU
    assert a_state.plan is None
    a_state.makePlan()
    assert a_state.plan.isReady and len(plans) == 1


@pytest.mark.parametrize(
    ("error", "words"), [(InputError("No such device."), "No such device."), (OSError(), "does not start")]
)
def test_what_stands_in_the_way_of_a_plan_is_a_sentence_and_asked_again_when_it_may_be_gone(a_state, error, words):
    plan = a_state.logic.devicePlan

    def refused(choices):
        raise error

    a_state.logic.devicePlan = refused
    a_state.parameters.device = ch.Device.CUDA
    a_state.makePlan()
    assert not a_state.plan.isReady and words in a_state.plan.problem
    a_state.logic.devicePlan = plan
    a_state.makePlan()
    assert not a_state.plan.isReady  # not at every change of a choice
    a_state.lookAtComputer()
    a_state.makePlan()
    assert a_state.plan.isReady


def test_without_a_scene_nothing_is_kept_and_nothing_is_told(a_state):
    choices, scene = heard(a_state.choicesChanged), heard(a_state.sceneChanged)
    a_state.setParameters(None)
    a_state.onChoicesChanged()
    assert a_state.found.volume is None and a_state.plan is None
    assert not a_state.marks.skipped and a_state.segment.ID == ""
    assert (len(scene), len(choices)) == (1, 0)
