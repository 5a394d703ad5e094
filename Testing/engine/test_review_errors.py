"""Where a voxel is called likely wrong, and what Dice follows from it."""

import math

import numpy as np
import pytest
from propagation_runs import result_of
from review_evidence import a_ball, a_volume, evidence_of, kept, logits_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import Request, Settings
from SAM2VolumeSegLib.review import Evidence, LikelyErrors, highest_chance, review_steps
from SAM2VolumeSegLib.review.error_model import PRIOR, ErrorModel, calibrated
from SAM2VolumeSegLib.review.expected import expected_dice
from SAM2VolumeSegLib.review.features import NAMES, features_of
from SAM2VolumeSegLib.review.to_mend import to_mend
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane


def ranked(chance, wrong):
    """Area under the ROC curve: how often a wrong voxel has the higher chance."""
    _values, place, counts = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place.ravel()]
    ones = np.count_nonzero(wrong)
    return (rank[wrong.ravel()].sum() - ones * (ones + 1) / 2) / (ones * (wrong.size - ones))


@pytest.mark.parametrize("painted", ["quarters", "middle"])
def test_what_is_called_likely_wrong_is_wrong(a_fast_tracker, a_phantom, painted):
    """On a phantom that nothing was fitted to, within 10 mm of the surface: issue 17 asks for 0.90."""
    seeds = a_phantom.seeds(painted)
    request = Request.of(a_phantom.volume, seeds)
    result = result_of(a_fast_tracker, a_phantom.volume, seeds, Settings())
    evidence = Evidence.of(request, result).segments["middle"]
    errors = LikelyErrors.of(a_phantom.volume, evidence, PRIOR)
    wrong = a_phantom.references["middle"][errors.box.slices] != errors.mask
    near = features_of(a_phantom.volume, evidence).where
    assert wrong[near].any() and ranked(errors.chance[near], wrong[near]) > 0.9
    assert not errors.chance[~near].any()


def test_a_painted_slice_is_never_likely_wrong():
    """It is the user's, whatever the model thinks of it."""
    volume, ball = a_volume(), a_ball(10)
    view = volume.view(Plane.CORONAL)
    evidence = kept(ball, fused=0 * logits_of(ball), painted=[(Plane.CORONAL, 22)], absent=[(Plane.CORONAL, 8)])
    errors = LikelyErrors.of(volume, evidence, PRIOR)
    along = errors.chance.max(axis=tuple({0, 1, 2} - {view.axis}))
    first = errors.box.lower[view.axis]
    assert along[22 - first] == along[8 - first] == 0
    assert along[23 - first] > 0.1 and along[9 - first] > 0


def test_what_makes_an_error_likelier_is_called_likelier():
    """Each number of the evidence, one after the other: a sign that is wrong would send the user to the best places."""
    volume, ball = a_volume(), a_ball(10)
    sure = kept(ball, painted=[(Plane.AXIAL, 20)])

    def likely(evidence):
        return LikelyErrors.of(volume, evidence, PRIOR).chance.sum()

    unsure = logits_of(ball) / 4
    assert likely(kept(ball, fused=unsure, painted=sure.painted)) > likely(sure)
    assert likely(kept(ball, voted=unsure, painted=sure.painted)) > likely(sure)
    assert likely(kept(ball, confidence=0.3, painted=sure.painted)) > likely(sure)
    assert likely(kept(ball, painted=[(Plane.AXIAL, 2)])) > likely(sure)
    features = features_of(volume, sure)
    chance = PRIOR.chance(features.values)
    depth = features.values[:, NAMES.index("depth")]
    assert chance[depth < 0.5].mean() > 5 * chance[depth > 1.5].mean()


def test_more_slices_move_the_model_from_the_phantoms_to_the_patient():
    """A patient whose results are worse than a phantom's has to be told so; a single slice is no proof of it."""
    random = np.random.default_rng(1)

    def a_slice(offset):
        values = random.normal(0, 1, (400, len(NAMES))).astype(np.float32) + np.float32([0.7, -3, -3, 1, 0.2])
        odds = values @ np.array(PRIOR.weights[1:]) + PRIOR.weights[0] + offset
        return values, random.random(400) < 1 / (1 + np.exp(-odds))

    values = a_slice(0)[0]
    bad = [a_slice(2.0) for _ in range(18)]
    rates = [float(model.chance(values).mean()) for model in (PRIOR, calibrated(bad[:1]), calibrated(bad))]
    truth = float((1 / (1 + np.exp(-(values @ np.array(PRIOR.weights[1:]) + PRIOR.weights[0] + 2)))).mean())
    assert rates[0] < rates[1] < rates[2] < 1.2 * truth
    assert rates[2] - rates[0] > 0.6 * (truth - rates[0]) > rates[1] - rates[0]
    as_phantoms = calibrated([a_slice(0) for _ in range(18)])
    assert as_phantoms.chance(values).mean() == pytest.approx(rates[0], rel=0.25)
    assert calibrated([]) == PRIOR and as_phantoms.slices == 18


def test_a_model_survives_slices_without_an_error_and_with_nothing_else():
    """A structure that was found to the last voxel, or not at all, is what self-checks also meet."""
    values = np.random.default_rng(0).normal(0, 1, (300, len(NAMES))).astype(np.float32)
    for wrong in (np.zeros(300, dtype=bool), np.ones(300, dtype=bool)):
        model = calibrated([(values, wrong)] * 9 + [(values[:0], wrong[:0])])
        assert np.isfinite(model.weights).all() and model.slices == 9
        assert (model.chance(values).mean() > PRIOR.chance(values).mean()) == wrong[0]


def test_expected_dice_is_that_of_the_expected_errors():
    """Counted by hand: 100 voxels, of which 10 are expected too much, and 20 missed."""
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[0] = True
    chance = np.zeros(mask.shape, dtype=np.float32)
    chance[0], chance[1] = 0.1, 0.2
    errors = LikelyErrors(BoxMask.of(mask), kept(mask).box, chance)
    found = expected_dice(errors, ErrorModel(PRIOR.weights, log_ratio_sd=math.log(2) / 1.645, slices=3))
    assert found.dice == pytest.approx(2 * 90 / (100 + 110), abs=1e-6)  # float32 chances
    assert found.upper == pytest.approx(2 * 95 / (100 + 105), abs=1e-6)  # half as much
    assert found.lower == pytest.approx(2 * 80 / (100 + 120), abs=1e-6)  # twice as much
    assert found.measured
    empty = LikelyErrors(BoxMask.of(mask & False), errors.box, 0 * chance)
    assert expected_dice(empty, PRIOR).dice == 0


def test_another_mask_is_judged_by_the_same_evidence():
    """A foreign segmentation: where it agrees it is as likely wrong, where not, as likely as the result is right."""
    volume, ball, other = a_volume(), a_ball(8), a_ball(8, (20, 22, 28))
    errors = LikelyErrors.of(volume, kept(ball), PRIOR)
    judged = errors.judging(BoxMask.of(other))
    chance = np.zeros(volume.voxels.shape, dtype=np.float32)
    chance[errors.box.slices] = errors.chance
    there = chance[judged.box.slices]
    differs = (ball != other)[judged.box.slices]
    np.testing.assert_array_equal(judged.mask, other[judged.box.slices])
    np.testing.assert_array_equal(judged.chance, np.where(differs, 1 - there, there))
    assert judged.chance[differs].mean() > 0.7
    assert errors.judging(errors.found).chance.sum() == pytest.approx(errors.chance.sum())


def test_one_corrected_voxel_leaves_the_slice_that_is_suggested():
    """Else who has erased a single voxel is sent somewhere else, by a rule that is worth less."""
    volume, ball, painted = a_volume(), a_ball(8), [(Plane.AXIAL, 20)]
    doubtful = np.zeros(volume.voxels.shape)
    doubtful[26:] = 4.0  # the votes disagree at one end alone, and errors are likely all around
    errors = LikelyErrors.of(volume, kept(ball, fused=logits_of(ball) / 3, spread=doubtful, painted=painted), PRIOR)
    corrected = ball.copy()
    corrected[tuple(np.argwhere(ball)[0])] = False
    first, second = (to_mend(volume, one, painted)[0] for one in (errors, errors.judging(BoxMask.of(corrected))))
    assert (first.plane, first.index) == (second.plane, second.index) and first.plane is Plane.AXIAL
    assert second.mm3 == pytest.approx(first.mm3, abs=1.0)  # the voxel


def test_evidence_of_another_volume_is_refused():
    volume, ball = a_volume(), a_ball(8)
    other = a_volume(spacing=(2.0, 1.0, 1.0))
    with pytest.raises(InputError, match="another volume"):
        next(review_steps(other, evidence_of(volume, ball=kept(ball))))


def test_a_review_has_all_of_each_segment_and_can_be_cancelled():
    """It is stepped like a run: Slicer's window lives, and Cancel ends it."""
    volume = a_volume()
    one, other = a_ball(7, (20, 22, 14)), a_ball(7, (20, 22, 32))
    evidence = evidence_of(volume, left=kept(one, fused=logits_of(one) / 3), right=kept(other))
    steps = Steps(review_steps(volume, evidence))
    names = list(steps)
    assert {*names} == {"left", "right"} and len(names) > 4
    found = steps.result.segments
    assert found["left"].expected.dice < found["right"].expected.dice <= 1
    assert found["left"].expected.lower < found["left"].expected.dice < found["left"].expected.upper
    assert found["left"].suspects and found["left"].next is not None and not found["left"].expected.measured
    # The left ball lies at larger i, and i runs to the left: its name fits. Nothing else can be said of the two.
    assert "mixed up" in found["left"].remarks[0] and found["left"].remarks == found["right"].remarks
    running = review_steps(volume, evidence)
    next(running)
    running.close()


def test_an_empty_result_is_reviewed():
    """A segment that lost every voxel to its neighbours must not stop the review of the others."""
    volume, ball = a_volume(), a_ball(8)
    steps = Steps(review_steps(volume, evidence_of(volume, empty=kept(ball & False), ball=kept(ball))))
    list(steps)
    assert steps.result.segments["empty"].expected.dice == 0
    assert steps.result.segments["empty"].suspects == () and steps.result.segments["empty"].shape.volume_ml == 0


def test_where_segments_lie_together_the_likeliest_error_counts():
    shape = (10, 10, 10)
    one, other = np.full((4, 4, 4), 0.2, np.float32), np.full((4, 4, 4), 0.7, np.float32)
    nothing = BoxMask.of(np.zeros(shape, bool))
    errors = [LikelyErrors(nothing, Box((n, n, n), (n + 4, n + 4, n + 4)), own) for n, own in ((1, one), (3, other))]
    box, chance = highest_chance(errors)
    assert (box.lower, box.upper) == ((1, 1, 1), (7, 7, 7))
    assert chance[0, 0, 0] == np.float32(0.2) and chance[2, 2, 2] == np.float32(0.7) and chance[0, 5, 5] == 0
