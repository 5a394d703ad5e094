"""The experiment `review`: each row paints where its order says, on the result before; and what is measured."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_records import a_record, a_review, some_structures, the_demo_model

from SAM2VolumeSegLib.propagation import RECOMMENDED, Request
from SAM2VolumeSegLib.research.measures.reviewed import FIRST, area_under_roc, least_confident, reviewed
from SAM2VolumeSegLib.research.study.configuration import Configuration, Mended
from SAM2VolumeSegLib.research.study.mending import ADVISED, BEST, CHANCE, SUGGESTED, Mending
from SAM2VolumeSegLib.research.study.record import is_record
from SAM2VolumeSegLib.research.study.task import Job, run_batch
from SAM2VolumeSegLib.review.agreement import dice
from SAM2VolumeSegLib.review.error_model import PRIOR
from SAM2VolumeSegLib.volume import Box, Plane

NAMES = ("middle", "below")


@pytest.fixture
def mending(a_fast_tracker, a_phantom):
    """Two structures that were painted on one slice of each axis."""
    seeds = a_phantom.seeds("middle", names=NAMES)
    references = {name: a_phantom.references[name] for name in NAMES}
    return Mending(Request.of(a_phantom.volume, seeds, replace(RECOMMENDED, crop="each")), references, a_fast_tracker)


def places(prediction):
    return [(seed.plane, seed.index) for seed in prediction.seeds]


def test_each_order_paints_one_slice_of_each_structure_after_the_other(mending, a_phantom):
    """As somebody does who follows it: what was painted stays, and what is painted is the truth on that slice."""
    first = mending.after(SUGGESTED, 0)
    for by in (SUGGESTED, ADVISED, CHANCE, BEST):
        before = first
        for slices in (1, 2):
            after = mending.after(by, slices)
            for name in NAMES:
                assert places(after[name])[:-1] == places(before[name])
                assert places(after[name])[-1] not in places(before[name])
                seed = after[name].seeds[-1]
                truth = a_phantom.volume.view(seed.plane).slice(a_phantom.references[name], seed.index)
                np.testing.assert_array_equal(seed.mask, truth)
                shown = a_phantom.volume.view(seed.plane).slice(after[name].mask, seed.index)
                np.testing.assert_array_equal(shown, truth)
            before = after


def test_the_reviews_slice_is_the_one_that_a_user_is_sent_to(mending):
    suggested = {name: review.next for name, review in mending._first.review.segments.items()}
    for name, prediction in mending.after(SUGGESTED, 1).items():
        assert places(prediction)[-1] == (suggested[name].plane, suggested[name].index)


def test_no_order_is_better_than_the_best_of_them(mending, a_phantom):
    """Else shares of it are no shares."""
    reached = {by: mending.after(by, 1) for by in (SUGGESTED, ADVISED, BEST)}
    for name in NAMES:
        own = {by: dice(found[name].mask, a_phantom.references[name]) for by, found in reached.items()}
        assert own[BEST] == max(own.values())


def test_chance_is_the_same_on_every_machine_and_differs_from_structure_to_structure(mending, a_phantom):
    again = {name: places(one)[-1] for name, one in mending.after(CHANCE, 1).items()}
    assert again == {name: places(one)[-1] for name, one in mending.after(CHANCE, 1).items()}
    assert len({places(one)[-1] for one in mending.after(CHANCE, 1).values()}) == len(NAMES)


def test_what_a_review_said_is_in_a_record(three, sample_ct_folder, a_fast_tracker):
    """And nothing of it in those that mend: their result was not reviewed."""
    from SAM2VolumeSegLib.research.study.case import CaseFiles

    said = Configuration("reviewed", replace(RECOMMENDED, crop="each"), together=True, mended=Mended(SUGGESTED, 0))
    mended = replace(said, name="mended", mended=Mended(SUGGESTED, 1))
    jobs = [Job(f"{row.name} {one.name}", one, row) for row in (said, mended) for one in three]
    records = list(run_batch(jobs, CaseFiles(sample_ct_folder), lambda: a_fast_tracker, three))
    assert all(is_record(record) for record in records), records
    for before, after in zip(records[:3], records[3:], strict=True):
        facts = before["reviewed"]
        assert 0.5 < facts["auc"] <= 1 and facts["lower"] <= facts["expected"] <= facts["upper"]
        assert facts["checked"] == 3 and facts["check_seconds"] > 0
        assert "reviewed" not in after and after["seeds"] == before["seeds"] + 1
        assert after["choices"]["mended"] == {"by": SUGGESTED, "slices": 1}
        assert after["dice"] != before["dice"]


@pytest.mark.parametrize("broken", [{"auc": 1.5}, {"expected": None}, {"reliability": []}, {"checked": -1}])
def test_a_damaged_record_of_a_review_is_none(broken):
    (structure,) = some_structures(1, 1)
    facts = a_review(0.9)
    record = a_record(structure, Configuration("reviewed"), the_demo_model(), 0.9, reviewed=facts)
    assert is_record(record) and is_record(record | {"reviewed": facts | {"auc": None, "suspects": None}})
    assert not is_record(record | {"reviewed": facts | broken})


# ----------------------------------------------------------------------------------------------------------- measures


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30))
def test_the_area_under_the_curve_counts_pairs(voxels):
    """A wrong voxel and a right one: how often has the wrong one the higher chance? Ties are one half."""
    chance, wrong = np.array([one for one, _ in voxels], dtype=np.float32), np.array([one for _, one in voxels], bool)
    pairs = [(a > b) + 0.5 * (a == b) for a in chance[wrong] for b in chance[~wrong]]
    assert area_under_roc(chance, wrong) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_slices_of_little_confidence_are_those_through_the_result_that_nobody_painted(mending, a_phantom):
    """Beyond the result SAM2 is confident of nothing; such slices hold nothing, and would be no opponent."""
    evidence = mending._first.evidence.segments["middle"]
    found = least_confident(a_phantom.volume, evidence)
    box = evidence.found.trimmed().box
    assert {plane for plane, _index in found} == set(Plane) and not set(found) & set(evidence.places)
    for plane, index in found:
        axis = a_phantom.volume.view(plane).axis
        assert box.lower[axis] <= index < box.upper[axis]
    confidence = [evidence.confidence[plane].get(index, 0.0) for plane, index in found]
    assert confidence == sorted(confidence)


def test_shares_of_the_wrong_volume_are_those_of_the_truth(mending, a_phantom):
    """Wrong voxels are put where they can be counted: in the first suspect, and one far from everything."""
    first = mending._first
    evidence, review = first.evidence.segments["middle"], first.review.segments["middle"]
    result = evidence.found.on(Box.whole(a_phantom.volume))
    suspect = review.suspects[0]
    truth = result.copy()
    inside = np.argwhere(suspect.region.inside)[:3] + suspect.region.box.lower
    for k, j, i in inside:
        truth[k, j, i] = ~truth[k, j, i]
    facts = reviewed(a_phantom.volume, evidence, review, PRIOR, truth, 3, 1.0)
    assert facts["suspects"] == 1
    far = np.argwhere(~result)[0]
    truth[tuple(far)] = True
    facts = reviewed(a_phantom.volume, evidence, review, PRIOR, truth, 3, 1.0)
    assert facts["suspects"] == 0.75
    assert 0 <= facts["slices"] <= facts["slabs"] <= 1
    assert sum(wrong for _number, wrong, _chance in facts["reliability"]) <= 4
    right = reviewed(a_phantom.volume, evidence, review, PRIOR, result, 3, 1.0)
    assert (right["auc"], right["suspects"], right["slices"], right["slabs"]) == (None,) * 4
    assert sum(number for number, _wrong, _chance in right["reliability"]) > 1000
    only = replace(review, suspects=review.suspects[:FIRST])
    assert reviewed(a_phantom.volume, evidence, only, PRIOR, truth, 3, 1.0) == facts
