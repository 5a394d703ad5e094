"""Auditing a segmentation: a piece that somebody lost, or added, is found."""

import numpy as np
import pytest
from propagation_runs import PLANES, finish

from SAM2VolumeSegLib.propagation import Request, Segmenter
from SAM2VolumeSegLib.review import Evidence, audit_seeds, review_steps
from SAM2VolumeSegLib.volume import BoxMask


def audited(tracker, volume, masks):
    request = Request.of(volume, audit_seeds(masks, volume))
    result = finish(Segmenter(tracker).run(request))[1]
    return finish(review_steps(volume, Evidence.of(request, result), masks=masks))[1]


def test_slices_are_taken_from_inside_on_three_axes(a_phantom):
    """Not at the ends, where segmentations differ most; and an empty segment has none."""
    whole = BoxMask.of(a_phantom.references["middle"])
    seeds = audit_seeds({"middle": whole, "nothing": BoxMask.of(np.zeros(whole.shape, dtype=bool))}, a_phantom.volume)
    assert list(seeds) == ["middle"]
    for plane in PLANES:
        axis = a_phantom.volume.view(plane).axis
        taken = [seed.index for seed in seeds["middle"] if seed.plane is plane]
        assert len(taken) == 3 and whole.box.lower[axis] < min(taken) and max(taken) < whole.box.upper[axis] - 1


@pytest.mark.parametrize("added", [False, True])
def test_a_piece_of_a_real_vertebra_that_was_lost_or_added_is_suspect(a_tracker, a_ct, a_ct_labels, added):
    """It lies between the slices that were taken, and is not on them."""
    bone = a_ct_labels == 22
    taken = {(seed.plane, seed.index) for seed in audit_seeds({"L3": BoxMask.of(bone)}, a_ct)["L3"]}
    changed = piece_between(a_ct, bone, taken, added)
    judged = bone | changed if added else bone & ~changed
    review = audited(a_tracker, a_ct, {"L3": BoxMask.of(judged)}).segments["L3"]
    first = review.suspects[:5]
    held = [np.count_nonzero(suspect.region.whole() & changed) for suspect in first]
    assert sum(held) > 0.7 * np.count_nonzero(changed)
    most = first[int(np.argmax(held))]
    assert "the propagation finds" in most.reasons[0]


def piece_between(volume, bone, taken, beside):
    """A block of the bone, or of what is beside it, on none of the slices that are taken."""
    free = np.ones(bone.shape, dtype=bool)
    for plane, index in taken:
        volume.view(plane).slice(free, index)[...] = False
    wanted = free & (~bone if beside else bone)
    # the block of 9 x 9 x 9 mm that holds most of it, among those that touch the surface
    size = [round(9 / mm) for mm in volume.spacing[::-1]]
    blocks = np.lib.stride_tricks.sliding_window_view(wanted, size).sum(axis=(3, 4, 5))
    held = np.lib.stride_tricks.sliding_window_view(bone, size).sum(axis=(3, 4, 5))
    blocks = np.where(held > np.prod(size) // 4, blocks, 0)
    at = np.unravel_index(np.argmax(blocks), blocks.shape)
    block = np.zeros_like(bone)
    block[tuple(slice(n, n + length) for n, length in zip(at, size, strict=True))] = True
    return block & wanted
