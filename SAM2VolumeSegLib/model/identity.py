"""Names for memories that tell what they were made from, as in a Merkle tree.

A prompt's identity covers its slice and its mask. A tracked slice's covers its slice and the identities of all that it
looked at, and so, through them, every prompt that could have had an influence. Two equal identities have equal
predictions, whichever run, direction, pass or segment they came from; a change of one prompt changes exactly the
identities of the slices that it can reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np

from SAM2VolumeSegLib.model.network import SliceQuery


def prompt_identity(slice_key: Hashable, mask: np.ndarray) -> bytes:
    """Identity of a mask that was given on a slice.

    Args:
        slice_key: Names the picture and the model.
        mask: bool [S, S].
    """
    return _digest("prompt", slice_key, mask.shape, np.packbits(mask).tobytes())


def query_identity(slice_key: Hashable, query: SliceQuery, furthest_pointer: int) -> bytes:
    """Identity of what a query predicts on its slice.

    Args:
        slice_key: Names the picture and the model.
        query: What the slice looks at.
        furthest_pointer: Of the query's stack (`MemoryLimits.furthest_pointer`), all that its length changes.
    """
    spatial = [(age, memory.identity) for age, memory in query.spatial]
    pointers = [(ago, memory.identity) for ago, memory in query.pointers]
    return _digest("tracked", slice_key, spatial, pointers, furthest_pointer if pointers else None)


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
