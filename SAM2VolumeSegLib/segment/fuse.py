"""From what all segments claim to masks: contested voxels, islands."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.segment.claims import Claim
from SAM2VolumeSegLib.segment.result import SegmentResult
from SAM2VolumeSegLib.volume import BoxMask, Volume


def fuse(
    volume: Volume, claims: Mapping[str, Claim], drop_islands: bool
) -> Generator[str, None, dict[str, SegmentResult]]:
    """Masks from claims, which are changed. Yields the name of a segment after each piece of work.

    What the user painted stays; of two claims on a voxel the higher logit wins. Of two equal ones, frequent because
    logits are clamped, the one whose votes weigh more: by nearness, the nearer painted slices.

    Segments whose painted slices overlap each other are meant to, and may overlap everywhere. drop_islands then removes
    what is not connected (26 neighbours) to anything painted.
    """
    names = sorted(claims)
    lower, upper = (np.array([getattr(claims[name].box, side) for name in names]) for side in ("lower", "upper"))
    for number, name in enumerate(names):
        later = slice(number + 1, None)
        meet = ((lower[later] < upper[number]) & (lower[number] < upper[later])).all(axis=1)
        for other in np.flatnonzero(meet):
            _contest(claims[name], claims[names[number + 1 + other]])
        yield name
    segments = {}
    for name, claim in claims.items():
        mask = _connected(claim.mask, claim.painted) if drop_islands else claim.mask
        found = BoxMask(volume.voxels.shape, claim.box, mask)
        segments[name] = SegmentResult(found, claim.logits, claim.confidence, claim.plane_logits)
        yield name
    return segments


def _contest(one: Claim, other: Claim) -> None:
    """Give every voxel that two segments claim to one of them."""
    both = one.box.meet(other.box)
    mine, theirs = (both.moved(tuple(-n for n in claim.box.lower)).slices for claim in (one, other))
    if (one.painted[mine] & other.painted[theirs]).any():
        return
    contested = np.nonzero(one.mask[mine] & other.mask[theirs])
    (logit, weight), (other_logit, other_weight) = _at(one, mine, contested), _at(other, theirs, contested)
    wins = (logit > other_logit) | ((logit == other_logit) & (weight >= other_weight))
    one.mask[mine][contested] = wins
    other.mask[theirs][contested] = ~wins


def _at(claim: Claim, part: tuple[slice, slice, slice], voxels) -> tuple[np.ndarray, np.ndarray]:
    """Logit and weight of a claim at some voxels of a part of its box; what is painted there is beyond doubt."""
    painted = claim.painted[part][voxels]
    return np.where(painted, np.inf, claim.logits[part][voxels]), np.where(painted, 0, claim.weight[part][voxels])


def _connected(mask: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The parts of a mask that hold a painted voxel."""
    (used,) = ndimage.find_objects(mask.view(np.uint8))  # labels take four times the memory of a mask
    parts, count = ndimage.label(mask[used], structure=np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(parts[painted[used] & mask[used]])] = True
    kept[0] = False
    connected = np.zeros_like(mask)
    connected[used] = kept[parts]
    return connected
