"""The user's own painted slices, each left out in turn: what is found, what is said of it, and that it can end."""

from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import AXIAL, finish

from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter
from SAM2VolumeSegLib.review import Evidence, LeftOut, SelfCheck, self_check
from SAM2VolumeSegLib.review.features import NAMES
from SAM2VolumeSegLib.seeds import SeedSlice, add_absent
from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def checked(a_fast_tracker, a_phantom):
    """A request, its result, and the self-check of it."""

    def run(seeds, settings=RECOMMENDED):
        request = Request.of(a_phantom.volume, seeds, settings)
        segmenter = Segmenter(a_fast_tracker)
        result = segmenter.segment(request)
        steps, check = finish(self_check(request, Evidence.of(request, result), segmenter.run_alike))
        return request, result, steps, check

    return run


def test_each_painted_slice_is_found_again(checked, a_phantom):
    """What the user reads: so well would your slices have been found without you."""
    seeds = a_phantom.seeds("quarters", names=("middle", "below"))
    _request, _result, steps, check = checked(seeds)
    places = {(one.segment, one.plane, one.index) for one in check.slices}
    assert places == {(name, seed.plane, seed.index) for name, own in seeds.items() for seed in own}
    assert [one.among for one in check.of("middle")] == ["end", "between", "end"] * 3
    dice = [one.dice for one in check.slices]
    assert np.mean(dice) > 0.7 and max(dice) < 1, "on this phantom the demo model finds most of a slice, and not all"
    for one in check.slices:
        assert one.features.shape == (len(one.wrong), len(NAMES)) and np.isfinite(one.features).all()
        assert (one.wrong_mm2 > 0) == (one.dice < 1)
        assert np.count_nonzero(one.wrong) * 2.0 * 2.0 <= one.wrong_mm2 + 1e-6  # voxels of 2 mm
    done = [step.done for step in steps]
    assert done == sorted(done) and {step.total for step in steps} == {len(check.slices)}
    assert steps[0].seconds_left is None and steps[-1].seconds_left > 0


def test_lines_of_crossing_slices_do_not_count(checked, a_phantom):
    """They are known whatever is left out, so they would make every Dice better than it is."""
    seeds = a_phantom.seeds("quarters")
    sagittal = next(seed for seed in seeds["middle"] if seed.plane is Plane.SAGITTAL)
    view = a_phantom.volume.view(Plane.SAGITTAL)
    lines = np.zeros(a_phantom.volume.voxels.shape, dtype=bool)
    for seed in seeds["middle"]:
        if seed.plane is not Plane.SAGITTAL:
            a_phantom.volume.view(seed.plane).slice(lines, seed.index)[...] = True
    only_lines = SeedSlice(sagittal.plane, sagittal.index, sagittal.mask & view.slice(lines, sagittal.index))
    assert not only_lines.absent
    own = [only_lines if seed is sagittal else seed for seed in seeds["middle"]]
    _request, _result, _steps, check = checked({"middle": own})
    places = [(one.plane, one.index) for one in check.slices]
    assert (sagittal.plane, sagittal.index) not in places and len(places) == len(own) - 1


def test_a_single_slice_cannot_be_checked_and_the_words_say_so(checked, a_phantom):
    seeds = a_phantom.seeds("middle", AXIAL)
    _request, _result, steps, check = checked(seeds)
    assert check.slices == () and steps == []
    assert "takes two painted slices" in check.sentences()[0]


def test_slices_that_are_declared_absent_are_not_left_out(checked, a_phantom):
    """They are the user's word that nothing is there."""
    volume = a_phantom.volume
    own = add_absent(a_phantom.seeds("quarters", AXIAL)["middle"], [(Plane.AXIAL, 0)], volume)
    _request, _result, _steps, check = checked({"middle": own})
    assert len(check.slices) == 3 and {one.index for one in check.slices} == {s.index for s in own if not s.absent}


def test_the_only_slice_of_an_axis_is_judged_apart(checked, a_phantom):
    """Without it a third of the run is gone: that says little about the run, and calibrates nothing."""
    _request, _result, _steps, check = checked(a_phantom.seeds("middle"))
    assert [one.among for one in check.slices] == ["only"] * 3
    assert check.for_calibration() == []


def test_a_self_check_leaves_the_result_and_the_request_as_they_were(checked, a_phantom, a_fast_tracker):
    """Who checks and then propagates again must get the same."""
    request, result, _steps, _check = checked(a_phantom.seeds("quarters"))
    again = Segmenter(a_fast_tracker).segment(request)
    np.testing.assert_array_equal(again.segments["middle"].mask, result.segments["middle"].mask)
    np.testing.assert_array_equal(again.segments["middle"].logits, result.segments["middle"].logits)


def test_closing_it_ends_the_run_that_it_is_in(a_fast_tracker, a_phantom):
    """Cancel: nothing goes on computing behind the user's back."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters"))
    segmenter = Segmenter(a_fast_tracker)
    result = segmenter.segment(request)
    closed = []

    def run(*alike):
        try:
            return (yield from segmenter.run_alike(*alike))
        finally:
            closed.append(alike)

    running = self_check(request, Evidence.of(request, result), run)
    for _ in range(3):
        next(running)
    running.close()
    assert len(closed) == 1


def test_only_wanted_segments_are_checked(a_fast_tracker, a_phantom):
    request = Request.of(a_phantom.volume, a_phantom.seeds("middle", names=("middle", "below")))
    segmenter = Segmenter(a_fast_tracker)
    evidence = Evidence.of(request, segmenter.segment(request))
    _steps, check = finish(self_check(request, evidence, segmenter.run_alike, ["below"]))
    assert {one.segment for one in check.slices} == {"below"}


@pytest.mark.parametrize("changed", [{"extend": False}, {"drop_islands": False, "edges": False}, {"passes": 2}])
def test_every_kind_of_run_can_be_checked(checked, a_phantom, changed):
    """An end without extension is not reached by its own axis; two passes depend on the whole of the first."""
    _request, _result, _steps, check = checked(a_phantom.seeds("quarters"), replace(RECOMMENDED, **changed))
    assert len(check.slices) == 9 and all(0 <= one.dice <= 1 for one in check.slices)
    assert np.mean([one.dice for one in check.slices if one.among == "between"]) > 0.6


def left_out(among, dice, segment="L3", index=3):
    none = np.zeros((0, len(NAMES)), dtype=np.float32)
    return LeftOut(segment, Plane.SAGITTAL, index, f"L {index}.0 mm", among, dice, 1.0, none, none[:, 0] > 0)


def test_what_was_found_is_said_in_sentences():
    """Between others, at the ends and alone are judged apart; the worst is named, and what it means is said."""
    check = SelfCheck((left_out("between", 0.9), left_out("between", 0.8, index=7), left_out("end", 0.5)), 3.0)
    between, end, meaning = check.sentences("L3")
    assert between == (
        "2 painted slices between others, each left out, were found again with Dice 0.85 on average; the worst: "
        "sagittal L 7.0 mm, 0.80."
    )
    assert end == (
        "1 painted slice at an end, left out, was found again from one side with Dice 0.50: sagittal L 3.0 mm."
    )
    assert "an estimate on this patient and no measurement of the whole" in meaning
    assert "the worst: L3, sagittal L 7.0 mm" in check.sentences()[0]
    between, _end, meaning = check.sentences("L3", audited=True)
    assert between.startswith("2 slices of the segmentation between others") and "the result" not in meaning
    assert check.sentences("L4")[0].startswith("Nothing could be checked")
