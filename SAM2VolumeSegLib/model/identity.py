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

from SAM2VolumeSegLib.model.sam2_volume import SliceQuery


def prompt_identity(slice_key: Hashable, mask: np.ndarray) -> bytes:
    """Identity of a mask, bool [S, S], that was given on a slice; `slice_key` names the picture and the model."""
    return _digest("prompt", slice_key, mask.shape, np.packbits(mask).tobytes())


def query_identity(slice_key: Hashable, query: SliceQuery, furthest_pointer: int) -> bytes:
    """Identity of what a query predicts on its slice.

    furthest_pointer: of the query's stack (VolumeSAM2.furthest_pointer), all that the length of the stack changes.
    """
    spatial = [(row, memory.identity) for row, memory in query.spatial]
    pointers = [(ago, memory.identity) for ago, memory in query.pointers]
    return _digest("tracked", slice_key, spatial, pointers, furthest_pointer if pointers else None)


def _digest(*parts) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
