"""The surface moves to the CT's edges: it finds them, and where there are none it stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propagation_runs import finish
from scipy import ndimage

from SAM2VolumeSegLib.propagation.edges import at_edges
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.research.measures.metrics import dice

SHAPE = (24, 26, 28)
NONE = np.zeros(SHAPE, dtype=bool)


def a_box(lower=(6, 7, 8), upper=(18, 19, 20)):
    mask = NONE.copy()
    mask[tuple(slice(*ends) for ends in zip(lower, upper, strict=True))] = True
    return mask


def on_planes():
    """The slices that are painted: one through the middle of the box along each axis."""
    painted = NONE.copy()
    painted[12], painted[:, 13], painted[..., 14] = True, True, True
    return painted


def noisy(mask):
    """Bone in soft tissue, in 0..1: 0.25 is what the bone window makes of 150 HU."""
    return (np.where(mask, 0.6, 0.25) + np.random.default_rng(0).normal(0, 0.03, mask.shape)).astype(np.float32)


def unsharp(mask, moved=0, sigma=2.0):
    """What a network says on a coarse grid: where the structure is, but not where it ends."""
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return np.roll((2 * blurred - 1) * LOGIT_LIMIT, moved, axis=(0, 1, 2)).astype(np.float32)


def at(image, spacing, logits, inside=NONE, outside=NONE, **chosen):
    return finish(at_edges(image, spacing, logits, inside, outside, **chosen))[1]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 0.7)], ids=["1 mm", "anisotropic"])
@pytest.mark.parametrize("sigma", [0.5, 2.0], ids=["sharp", "blurred"])
@pytest.mark.parametrize("moved", [0, 2])
def test_a_surface_beside_an_edge_moves_to_it(spacing, sigma, moved):
    """The network is two voxels off: nobody should have to paint more slices for what is plain to see in the CT."""
    box, known = a_box(), on_planes()
    prior = unsharp(box, moved, sigma)
    before, after = (
        dice(logits > 0, box) for logits in (prior, at(noisy(box), spacing, prior, box & known, known & ~box))
    )
    assert after > 0.99 and after >= before
    assert not moved or after > before + 0.3


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 0.7)], ids=["1 mm", "anisotropic"])
def test_where_the_image_is_flat_the_surface_stays(spacing):
    """Without an edge, as between a vertebra and its neighbour in a poor CT, the network is all there is."""
    half, flat = a_box((12, 0, 0), SHAPE), np.full(SHAPE, 0.5, dtype=np.float32)
    np.testing.assert_array_equal(at(flat, spacing, unsharp(half, sigma=0.5)) > 0, half)
    box, known = a_box(), on_planes()
    found = at(flat, spacing, unsharp(box, sigma=0.5), box & known, known & ~box) > 0
    assert not (found & ~box).any() and dice(found, box) > 0.85, "corners become round, and nothing else moves"


def test_an_edge_far_from_the_surface_does_not_draw_it():
    """Another bone beside it: the surface moves within the band only."""
    box = a_box((6, 7, 3), (18, 19, 10))
    other = a_box((6, 7, 20), (18, 19, 26))
    found = at(noisy(box | other), (1.0, 1.0, 1.0), unsharp(box, sigma=0.5), band_mm=4.0)
    assert dice(found > 0, box) > 0.97 and not (found > 0)[..., 14:].any()


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_without_a_surface_nothing_moves(full):
    """A structure that is nowhere, or fills its box, must not end the run."""
    logits = np.full(SHAPE, 1.0 if full else -1.0, dtype=np.float32)
    found = at(noisy(a_box()), (1.0, 1.0, 1.0), logits)
    np.testing.assert_array_equal(found, np.full(SHAPE, LOGIT_LIMIT if full else -LOGIT_LIMIT, dtype=np.float32))


def test_all_known_needs_no_walk():
    box = a_box()
    found = at(noisy(box), (1.0, 1.0, 1.0), -unsharp(box), box, ~box)
    np.testing.assert_array_equal(found, np.where(box, LOGIT_LIMIT, -LOGIT_LIMIT))


def test_the_same_again_gives_the_same_and_what_was_given_stays():
    box = a_box()
    given_ = noisy(box), unsharp(box, 2), box & (np.arange(SHAPE[0]) == 12)[:, None, None], NONE
    before = [array.copy() for array in given_]
    one, other = (at(given_[0], (1.0, 1.0, 1.0), *given_[1:]) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    for array, old in zip(given_, before, strict=True):
        np.testing.assert_array_equal(array, old)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.4, 1.0, 3.0, 6.0])] * 3),
    band_mm=st.sampled_from([0.5, 2.0, 5.0]),
    known=st.sampled_from([0.0, 0.02, 0.3]),
)
@settings(max_examples=60)
def test_only_what_is_near_the_surface_and_not_known_changes(seed, shape, spacing, band_mm, known):
    """What was painted, and left unpainted, is the user's; a far voxel that changed would be a leak."""
    random = np.random.default_rng(seed)
    image = random.random(shape).astype(np.float32)
    logits = ndimage.gaussian_filter(random.normal(0, 8, shape), 1.5).clip(-LOGIT_LIMIT, LOGIT_LIMIT)
    logits = logits.astype(np.float32)
    chance = random.random(shape)
    inside, outside = chance < known, chance > 1 - known
    found = at(image, spacing, logits, inside, outside, band_mm=band_mm)
    assert found.dtype == np.float32 and found.shape == shape
    assert np.isfinite(found).all() and np.abs(found).max() <= LOGIT_LIMIT * (1 + 1e-6)  # float32 of a clipped float64
    assert (found[inside] == LOGIT_LIMIT).all() and (found[outside] == -LOGIT_LIMIT).all()
    mask = ((logits > 0) & ~outside) | inside
    moved = (found > 0) != mask
    places = np.argwhere(np.ones(shape, dtype=bool)) * spacing
    of_each = {kind: places[(mask == kind).ravel()] for kind in (False, True)}
    for voxel in np.argwhere(moved):
        others = of_each[not mask[tuple(voxel)]]
        assert len(others), "there is no surface, and a voxel changed"
        nearest = np.sqrt(((others - voxel * spacing) ** 2).sum(axis=1)).min()
        assert nearest <= band_mm + 1e-9  # of float64: another order of the same sums
