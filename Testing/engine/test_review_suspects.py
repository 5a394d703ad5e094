"""Regions that are likely wrong, the slice on which to correct them, and why they are suspect."""

from dataclasses import replace

import numpy as np
import pytest
from review_evidence import a_ball, a_volume, evidence_of, kept, logits_of

from SAM2VolumeSegLib.review import LikelyErrors, shape_of, suspects_of
from SAM2VolumeSegLib.review.error_model import PRIOR
from SAM2VolumeSegLib.review.reasons import reasons_of
from SAM2VolumeSegLib.review.suspects import REACH_MM, gains
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane

SHAPE = (40, 44, 48)


def errors_at(*places, chance=0.8, size=3, spacing=(1.0, 1.0, 1.0)):
    """Cubes that are likely wrong, elsewhere nothing is."""
    volume = a_volume(spacing=spacing)
    chances = np.zeros(SHAPE, dtype=np.float32)
    for at in places:
        chances[tuple(slice(n - size, n + size + 1) for n in at)] = chance
    return volume, LikelyErrors(BoxMask.of(chances > 0), Box.whole(volume), chances)


def test_the_largest_expected_wrong_volume_comes_first():
    """Few who review look at more than the first."""
    volume, errors = errors_at((8, 8, 8), (30, 34, 38))
    errors.chance[8:12, 8:12, 8:12] = 0.2
    small, large = (suspect.wrong_mm3 for suspect in suspects_of("a", volume, errors)[::-1])
    assert large > small > 0
    assert large == pytest.approx(0.8 * 7**3, rel=1e-5)  # float32 chances
    suspect = suspects_of("a", volume, errors)[0]
    i, j, k = np.linalg.solve(volume.ijk_to_ras, [*suspect.centre, 1])[:3]
    assert np.abs(np.array([k, j, i]) - (30, 34, 38)).max() <= 1 and suspect.segment == "a"


def test_suspects_hold_what_is_likely_wrong_and_nothing_twice():
    volume, errors = errors_at((8, 8, 8), (30, 34, 38), (30, 10, 10))
    held = np.zeros(SHAPE, dtype=int)
    for suspect in suspects_of("a", volume, errors):
        held[suspect.region.box.slices] += suspect.region.inside
    np.testing.assert_array_equal(held, errors.chance > 0)


def test_a_suspect_is_no_thicker_than_what_correcting_a_slice_reaches():
    """A surface that is doubtful all around is one region, which nobody can correct at once."""
    volume = a_volume()
    shell = (a_ball(17) & ~a_ball(14)).astype(np.float32) / 2
    errors = LikelyErrors(BoxMask.of(a_ball(16)), Box.whole(volume), shell)
    found = suspects_of("a", volume, errors)
    assert len(found) > 2
    for suspect in found:
        assert min(suspect.region.box.shape) <= 2 * REACH_MM + 1
    first_five = sum(suspect.wrong_mm3 for suspect in found[:5])
    assert first_five > 0.9 * shell.sum()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 2.5)])
def test_the_slice_that_helps_most_goes_through_most_of_the_errors(axis, spacing):
    """A flat error lies on one slice, whatever the voxels are: there it is corrected with one stroke."""
    volume = a_volume(spacing=spacing)
    chances = np.zeros(SHAPE, dtype=np.float32)
    place = [slice(6, 34)] * 3
    place[axis] = slice(17, 18)
    chances[tuple(place)] = 0.5
    errors = LikelyErrors(BoxMask.of(chances > 0), Box.whole(volume), chances)
    suspect = suspects_of("a", volume, errors)[0]
    assert (volume.view(suspect.plane).axis, suspect.index) == (axis, 17)
    voxel_mm3 = np.prod(spacing)
    assert suspect.gain_mm3 == pytest.approx(0.5 * 28 * 28 * voxel_mm3, rel=1e-5)  # float32 chances
    known = [(suspect.plane, 17)]
    other = suspects_of("a", volume, errors, known)[0]
    assert (other.plane, other.index) not in known and other.gain_mm3 < suspect.gain_mm3


def test_a_slice_saves_what_is_on_it_and_less_beside_it():
    volume, errors = errors_at((20, 22, 24), size=0)
    saved = {gain.index: gain.mm3 for gain in gains(volume, errors.box, errors.chance) if gain.plane is Plane.AXIAL}
    assert saved[20] == pytest.approx(0.8) and saved[20] > saved[21] > saved[24] > 0  # a float32 chance
    assert saved[19] == saved[21] and saved[20 + int(REACH_MM)] == 0


def test_a_slice_is_suggested_where_votes_disagree_and_far_from_paint():
    """Near paint, and where all axes agree, an error is a matter of a voxel at the edge: painting cures little."""
    volume, ball = a_volume(), a_ball(12)
    doubt = np.where(np.indices(SHAPE)[0] > 26, 3.0, 0.5)
    unsure = logits_of(ball) / 3
    evidence = kept(ball, fused=unsure, spread=doubt, painted=[(Plane.AXIAL, 20)])
    errors = LikelyErrors.of(volume, evidence, PRIOR)
    best = gains(volume, errors.box, errors.to_gain, evidence.places)[0]
    assert best.plane is Plane.AXIAL and 27 <= best.index <= 32
    single = LikelyErrors.of(volume, kept(ball, fused=unsure, painted=[(Plane.AXIAL, 20)]), PRIOR)
    assert gains(volume, single.box, single.to_gain, evidence.places)[0].mm3 > 0, (
        "one axis in one direction has no spread"
    )


@pytest.mark.parametrize(
    ("inside", "sign"), [(1.0, "too much"), (0.8, "too much"), (0.5, "both"), (0.2, "missing"), (0.0, "missing")]
)
def test_a_suspect_says_whether_it_is_too_much_or_missing(inside, sign):
    """It is erased, or painted: who looks has to know which before the picture is understood."""
    volume, errors = errors_at((20, 22, 24), size=4)
    held = errors.chance > 0
    held &= np.cumsum(held, axis=None).reshape(SHAPE) <= inside * held.sum()
    (suspect,) = suspects_of("a", volume, replace(errors, found=BoxMask.of(held)))
    assert suspect.sign == sign


def test_a_result_that_was_corrected_has_the_other_sign_where_too_much_was_erased():
    """What is judged counts, and not what the run found."""
    volume, large, small = a_volume(), a_ball(12), a_ball(8)
    errors = LikelyErrors(BoxMask.of(small), Box.whole(volume), np.zeros(SHAPE, dtype=np.float32))
    signs = {suspect.sign for suspect in suspects_of("a", volume, errors.judging(BoxMask.of(large)))}
    errors = LikelyErrors(BoxMask.of(large), Box.whole(volume), np.zeros(SHAPE, dtype=np.float32))
    assert signs == {"too much"}
    assert {one.sign for one in suspects_of("a", volume, errors.judging(BoxMask.of(small)))} == {"missing"}


def test_where_nothing_is_likely_wrong_nothing_is_suspect():
    volume, errors = errors_at((20, 22, 24), chance=0.05)
    assert suspects_of("a", volume, errors) == []


def reasons(volume, evidence, name="a", region=None):
    own = evidence.segments[name]
    region = BoxMask.of(own.found.whole() & ~a_ball(7)) if region is None else region
    others = {other: one.found for other, one in evidence.segments.items() if other != name}
    return reasons_of(volume, evidence, name, region, shape_of(volume, own.found, others))


def test_each_reason_is_said_where_it_holds():
    """In the words of a radiologist; and a reason that does not hold is not said."""
    volume, ball = a_volume(), a_ball(9)
    bright = a_volume()
    voxels = np.where(ball, 900.0, 100.0).astype(np.float32)
    bright = type(volume)(voxels, volume.ijk_to_ras, "bright")
    near = [(Plane.AXIAL, n) for n in range(0, 40, 4)]
    sure = kept(ball, painted=near)
    assert reasons(bright, evidence_of(bright, a=sure)) == ("many small errors along its surface",)
    assert "no clear edge in the CT" in reasons(volume, evidence_of(volume, a=sure))
    cases = {
        "the axes disagree": kept(ball, spread=np.full(SHAPE, 3.0), painted=near),
        "far from any known slice": kept(ball, painted=[(Plane.AXIAL, 38)]),
        "the model itself is not confident": kept(ball, confidence=0.2, painted=near),
        "an edge in the CT and the model do not agree": kept(ball, voted=-logits_of(ball), painted=near),
    }
    for words, evidence in cases.items():
        said = reasons(bright, evidence_of(bright, a=evidence))
        assert len(said) == 1 and said[0].startswith(words), said


def test_a_neighbour_is_named():
    volume, ball = a_volume(), a_ball(9)
    evidence = evidence_of(volume, a=kept(ball), L4=kept(a_ball(6, (20, 22, 40)), fused=logits_of(a_ball(12))))
    assert "L4 claims it too" in reasons(volume, evidence)


def test_what_was_dropped_is_named():
    """The mask has lost a part that the logits still claim, and that nobody else got."""
    volume, ball = a_volume(), a_ball(9)
    lost = ball & (np.indices(SHAPE)[2] > 28)
    evidence = evidence_of(volume, a=kept(ball & ~lost, fused=logits_of(ball)))
    assert "a loose part was dropped here" in reasons(volume, evidence, region=BoxMask.of(lost))
