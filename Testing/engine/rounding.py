"""How far apart logits of the same computation may be: what rounding does, and what a fault does.

Every machine adds the products of a layer in another order, and so do other batches and thread counts: about 1e-6 in a
logit of the demo model. But memories are kept in bfloat16 (8 bits), as SAM2's video predictor does: where a value lies
at the edge between two of those, it goes to the other one, and later slices differ by up to some 1e-3.
"""

import numpy as np

ROUNDING = 0.025
"""Largest difference of a logit (they reach 24) that counts as rounding, for the demo model."""


def largest_difference(one, other):
    """Of logits by frame, over the frames that both have; or of two arrays."""
    if isinstance(one, dict):
        both = one.keys() & other.keys()
        assert len(both) >= 7
        return max(largest_difference(one[frame], other[frame]) for frame in both)
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())
