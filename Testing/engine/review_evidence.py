"""What the tests of a review share: a ball that was found too large on one side, with evidence that says so."""

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.propagation.result import STEPS_PER_LOGIT
from SAM2VolumeSegLib.review import Evidence, SegmentEvidence
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Volume, Window

SHAPE = (40, 44, 48)
CENTRE = (20, 22, 24)
WINDOW = Window(0, 1000)


def a_volume(shape=SHAPE, spacing=(1.0, 1.0, 1.0)):
    """A CT of noise around 300 HU; stored to the left and to posterior, as CTs are."""
    voxels = np.random.default_rng(3).normal(300, 20, shape).astype(np.float32)
    return Volume(voxels, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]), "ball")


def a_ball(radius, centre=CENTRE, shape=SHAPE):
    squares = [(along - at) ** 2 for along, at in zip(np.indices(shape), centre, strict=True)]
    return sum(squares) <= radius**2


def logits_of(mask, softness=1.5):
    """Logits whose zero is a mask's surface: sure inside and outside, and not at the surface."""
    depth = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    return np.clip(depth / softness, -4, 4)


def kept(mask, fused=None, voted=None, spread=None, painted=(), absent=(), confidence=1.0):
    """Evidence of a mask on the whole grid, [k, j, i]; what is not given is as sure as the mask."""
    steps = lambda logits: np.rint(logits * STEPS_PER_LOGIT).astype(np.int8)  # noqa: E731
    sure = logits_of(mask)
    slices = {plane: dict.fromkeys(range(max(mask.shape)), confidence) for plane in Plane}
    return SegmentEvidence(
        BoxMask(mask.shape, Box((0, 0, 0), mask.shape), mask),
        steps(sure if fused is None else fused),
        steps(sure if voted is None else voted),
        np.zeros(mask.shape, dtype=np.uint8) if spread is None else np.rint(spread * STEPS_PER_LOGIT).astype(np.uint8),
        slices,
        tuple(painted),
        tuple(absent),
    )


def evidence_of(volume, **segments):
    return Evidence(volume.fingerprint(), WINDOW, segments)
