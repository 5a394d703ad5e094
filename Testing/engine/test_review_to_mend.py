"""The slices that somebody is sent to, one after the other: where most is likely wrong, and not twice to one place."""

import numpy as np
import pytest
from review_evidence import a_volume

from SAM2VolumeSegLib.review import LikelyErrors
from SAM2VolumeSegLib.review.suspects import gains
from SAM2VolumeSegLib.review.to_mend import AHEAD, to_mend
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane

SHAPE = (40, 44, 48)


def errors_on(*slices, spacing=(1.0, 1.0, 1.0)):
    """Flat errors on axial slices: index and chance of each."""
    volume = a_volume(spacing=spacing)
    chance = np.zeros(SHAPE, dtype=np.float32)
    for index, value in slices:
        chance[index, 10:30, 10:30] = value
    return volume, LikelyErrors(BoxMask.of(chance > 0), Box.whole(volume), chance)


def places(found):
    return [(one.plane, one.index) for one in found]


def test_the_first_is_the_slice_that_saves_most():
    volume, errors = errors_on((8, 0.3), (30, 0.8))
    found = to_mend(volume, errors)
    assert found[0] == gains(volume, errors.box, errors.to_gain)[0]
    assert places(found)[:2] == [(Plane.AXIAL, 30), (Plane.AXIAL, 8)]
    assert [one.mm3 for one in found] == sorted((one.mm3 for one in found), reverse=True)


@pytest.mark.parametrize("mm", [0.5, 1.0])
def test_beside_a_slice_that_is_to_be_painted_there_is_less_to_save(mm):
    """Else three neighbours would be asked for, and the other end of the bone would stay as it is."""
    volume, errors = errors_on(*((30 + n, 0.8) for n in range(-1, 2)), (6, 0.4), spacing=(1.0, 1.0, mm))
    found = places(to_mend(volume, errors))
    assert found[0] == (Plane.AXIAL, 30)
    assert found[1] == (Plane.AXIAL, 6)
    axial = [index for plane, index in found if plane is Plane.AXIAL]
    assert len(set(axial)) == len(axial)


def test_what_is_painted_is_not_asked_for_and_nothing_where_nothing_is_wrong():
    volume, errors = errors_on((8, 0.3), (30, 0.8))
    assert (Plane.AXIAL, 30) not in places(to_mend(volume, errors, [(Plane.AXIAL, 30)]))
    assert len(to_mend(volume, errors)) <= AHEAD
    right = LikelyErrors(errors.found, errors.box, np.zeros(SHAPE, dtype=np.float32))
    assert to_mend(volume, right) == ()


def test_only_what_a_slice_can_cure_counts():
    """An error at the edge of a slice that is painted already stays, however many are painted beside it."""
    volume, errors = errors_on((8, 0.3), (30, 0.8))
    curable = np.ones(SHAPE, dtype=np.float32)
    curable[25:35] = 0
    cured = LikelyErrors(errors.found, errors.box, errors.chance, curable)
    assert places(to_mend(volume, cured))[0] == (Plane.AXIAL, 8)
