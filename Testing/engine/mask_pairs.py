"""Pairs of masks for properties of what compares them."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def two_masks(draw):
    """Small masks, sparse to full, that reach the border; never empty."""
    shape = tuple(draw(st.integers(1, 7)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = [rng.random(shape) < draw(st.sampled_from([0.05, 0.5, 0.95])) for _ in range(2)]
    for mask in masks:
        mask.flat[rng.integers(mask.size)] = True
    return masks
