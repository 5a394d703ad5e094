"""Numbers along an axis: what belongs to another slice sends the user there in vain."""

import numpy as np
import pytest

from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.review import Along, SegmentEvidence
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Volume

VOLUME = Volume(np.zeros((10, 12, 14), np.int16), np.diag([-1.0, -2.0, 3.0, 1.0]), "CT")


def evidence(found, spread, confidence=None, painted=()):
    box = Box.whole(VOLUME)
    mask, nothing = BoxMask(found.shape, box, found), np.zeros(found.shape, np.int8)
    steps = np.rint(spread * STEPS_PER_LOGIT).astype(np.uint8)
    return SegmentEvidence(mask, nothing, nothing, steps, confidence or {}, tuple(painted))


@pytest.mark.parametrize(("plane", "axis", "pixel_mm2"), [(Plane.AXIAL, 0, 2.0), (Plane.CORONAL, 1, 3.0)])
def test_each_number_is_that_of_its_slice(plane, axis, pixel_mm2):
    found = np.zeros(VOLUME.voxels.shape, bool)
    found[2:7, 3:9, 4:10] = True
    here = (slice(None),) * axis + (5,)
    found[here] = False
    found[here][3, 5] = True  # a jump: one voxel
    spread = np.zeros(found.shape)
    spread[(slice(None),) * axis + (4,)] = 2.0
    known = evidence(found, spread, {plane: {4: 0.25}}, [(plane, 6), (Plane.SAGITTAL, 4)])
    along = Along.of(VOLUME, known, known.found, plane)
    slices = [found[(slice(None),) * axis + (index,)] for index in along.indices]
    np.testing.assert_allclose(along.area_mm2, [pixel_mm2 * np.count_nonzero(one) for one in slices])
    assert along.indices[along.area_mm2 == pixel_mm2].tolist() == [5]
    assert along.indices[~np.isnan(along.confidence)].tolist() == [4] and np.nanmax(along.confidence) == 0.25
    assert along.indices[along.disagreement > 0].tolist() == [4]
    assert along.disagreement.max() == pytest.approx(2.0 / LOGIT_LIMIT)  # 60 of 120 steps, exactly
    assert along.indices[along.painted].tolist() == [6]


def test_a_slice_on_which_nothing_is_found_has_no_disagreement():
    found = np.zeros(VOLUME.voxels.shape, bool)
    found[2, 3:9, 4:10] = found[4, 3:9, 4:10] = True
    known = evidence(found, np.ones(found.shape))
    along = Along.of(VOLUME, known, known.found, Plane.AXIAL)
    assert along.indices.tolist() == [2, 3, 4] and np.isnan(along.disagreement).tolist() == [False, True, False]
