"""How far apart logits of the same computation may be: what rounding does, and what a fault does.

Every machine adds the products of a layer in another order, and so do other batches and thread counts: about 1e-6 in a
logit of the demo model. But memories are kept in bfloat16 (8 bits), as SAM2's video predictor does: where a value lies
at the edge between two of those, it goes to the other one, and later slices differ by up to some 1e-3. With memories in
float32 that is gone: 1e-5 at most.

What `measure_spread.py` printed (it says what the columns are) on an Intel Xeon with AVX-512, as default, avx2 and
avx512, with one and two threads, with oneDNN and without:

                         ours  machines   faults
    stock         +   0.0e+00   1.5e-04  3.7e-01  pointers one slice older
    stock         -   0.0e+00   1.7e-03  4.1e-01  pointers one slice older
    IS            +   0.0e+00   2.2e-03  8.1e-01  pointers one slice older
    IS            -   0.0e+00   5.3e-04  8.3e-01  pointers one slice older
    IS one slice  +   0.0e+00   3.2e-04  2.5e-01  pointers one slice older
    IS one slice  -   0.0e+00   3.0e-03  7.3e-01  pointers one slice older
    capacity 2    +   0.0e+00   3.1e-04  7.8e-01  pointers one slice older
    capacity 2    -   0.0e+00   1.7e-03  8.5e-01  pointers one slice older
    capacity 4    +   0.0e+00   1.5e-04  7.7e-01  pointers one slice older
    capacity 4    -   0.0e+00   2.3e-03  4.1e-01  pointers one slice older
    stride 2      +   0.0e+00   2.7e-04  8.1e-01  pointers one slice older
    stride 2      -   0.0e+00   1.6e-04  9.2e-01  pointers one slice older
    stride 4      +   0.0e+00   2.1e-04  7.3e-01  pointers one slice older
    stride 4      -   0.0e+00   1.6e-04  9.2e-01  pointers one slice older

So the bound lies 8 times above the largest that rounding did, and 10 times below the smallest that a fault did.
"""

import numpy as np

ROUNDING = 0.025
"""Largest difference of a logit that counts as rounding, for the demo model, whose logits reach 24."""


def largest_difference(one, other):
    """Of logits by frame, over the frames that both have; or of two arrays."""
    if isinstance(one, dict):
        both = one.keys() & other.keys()
        assert len(both) >= 7
        return max(largest_difference(one[frame], other[frame]) for frame in both)
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())
