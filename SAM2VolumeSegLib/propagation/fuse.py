"""From what all segments claim to masks: edges of the CT, islands, contested voxels."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation.claims import Claim
from SAM2VolumeSegLib.propagation.edges import at_edges
from SAM2VolumeSegLib.propagation.result import SegmentResult
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume, Window, to_unit


class Piece(NamedTuple):
    """A piece of work that is done.

    Attributes:
        name: of the segment that it was for.
        is_last: whether the segment's surface is where it will be, which is most of the work.
    """

    name: str
    is_last: bool = False


def fuse(
    volume: Volume, claims: Mapping[str, Claim], drop_islands: bool, window: Window | None = None
) -> Generator[Piece, None, dict[str, SegmentResult]]:
    """Masks from claims.

    What the user painted stays; of two claims on a voxel the higher logit wins. Of two equal ones, frequent because
    logits are clamped, the one whose votes weigh more: by nearness, the nearer painted slices; then the first by name.

    Segments whose painted slices overlap each other are meant to, and may overlap everywhere.

    Args:
        volume: the CT.
        claims: by name of the segment; they are changed.
        drop_islands: remove what is not connected (26 neighbours) to anything painted. Once before the contest: a walk
            that went on past its structure lands in a neighbour, and what it found there is no claim on it. Again in
            the end: what a contest cuts off is not connected any more.
        window: before all, move surfaces to the edges that are seen in this window; None leaves them.

    Yields:
        After each piece of work.

    Returns:
        The answers by name.
    """
    in_order = {name: claims[name] for name in sorted(claims)}
    whole = Box.around_boxes([claim.box for claim in claims.values()])
    twice = yield from _painted_twice(in_order, whole)
    if window is not None:
        yield from _to_edges(volume, in_order, twice, whole, window)
    if drop_islands:
        for name, claim in claims.items():
            claim.mask = _connected(claim.mask, claim.painted)
            yield Piece(name)
    yield from (_each_with_each(in_order, twice) if twice else _all_at_once(in_order, whole))
    segments = {}
    for name, claim in claims.items():
        mask = _connected(claim.mask, claim.painted) if drop_islands else claim.mask
        found = BoxMask(volume.voxels.shape, claim.box, mask)
        segments[name] = SegmentResult(
            found, claim.logits, claim.confidence, claim.plane_logits, claim.voted, claim.spread, claim.plane_weights
        )
        yield Piece(name, is_last=True)
    return segments


def _painted_twice(claims: Mapping[str, Claim], whole: Box) -> Generator[Piece, None, set[str]]:
    """The segments that share painted voxels with another one."""
    painted = np.zeros(whole.shape, dtype=np.uint16)  # by how many
    for name, claim in claims.items():
        painted[whole.index_of(claim.box)] += claim.painted
        yield Piece(name)
    if painted.max() < 2:
        return set()
    return {name for name, claim in claims.items() if (painted[whole.index_of(claim.box)][claim.painted] > 1).any()}


def _to_edges(
    volume: Volume, claims: Mapping[str, Claim], twice: set[str], whole: Box, window: Window
) -> Iterator[Piece]:
    """Move each claim's surface. What is painted as another segment is known not to be this one."""
    owned = np.zeros(whole.shape, dtype=bool)
    for name, claim in claims.items():
        if name not in twice:
            owned[whole.index_of(claim.box)] |= claim.painted
    for name, claim in claims.items():
        outside = claim.unpainted | (owned[whole.index_of(claim.box)] & ~claim.painted)
        image = to_unit(volume.voxels[claim.box.slices], window)
        steps = Steps(at_edges(image, volume.spacing[::-1], claim.logits, claim.painted, outside))
        for _step in steps:
            yield Piece(name)
        claim.logits = steps.result
        claim.mask = (claim.logits > 0) | claim.painted
        yield Piece(name, is_last=True)


def _all_at_once(claims: Mapping[str, Claim], whole: Box) -> Iterator[Piece]:
    """Give every voxel to the best claim on it. The work grows with the segments, and not with their pairs."""
    best = np.full(whole.shape, -np.inf, dtype=np.float32), np.zeros(whole.shape, dtype=np.float32)
    owner = np.zeros(whole.shape, dtype=np.int32)
    for number, (name, claim) in enumerate(claims.items()):
        at = whole.index_of(claim.box)
        mine = _standing(claim, claim.box)
        held = best[0][at], best[1][at]
        wins = claim.mask & _beats(mine, held)
        for values, new in zip(held, mine, strict=True):
            np.copyto(values, new, where=wins)
        owner[at][wins] = number
        yield Piece(name)
    for number, (name, claim) in enumerate(claims.items()):
        claim.mask &= owner[whole.index_of(claim.box)] == number
        yield Piece(name)


def _each_with_each(claims: Mapping[str, Claim], twice: set[str]) -> Iterator[Piece]:
    """Let pairs contest one after the other, but for those that share painted voxels."""
    for one, other in combinations(claims, 2):
        first, second = claims[one], claims[other]
        box = first.box.meet(second.box)
        mine, theirs = first.box.index_of(box), second.box.index_of(box)
        if {one, other} <= twice and (first.painted[mine] & second.painted[theirs]).any():
            continue
        contested = first.mask[mine] & second.mask[theirs]
        lost = contested & _beats(_standing(second, box), _standing(first, box))
        first.mask[mine] &= ~lost
        second.mask[theirs] &= lost | ~contested
        yield Piece(one)


def _standing(claim: Claim, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Logit and weight of a claim in a part of its box; what is painted there is beyond doubt."""
    at = claim.box.index_of(box)
    painted = claim.painted[at]
    return np.where(painted, np.float32(np.inf), claim.logits[at]), np.where(painted, 0, claim.weight[at])


def _beats(challenger: tuple[np.ndarray, np.ndarray], holder: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Where a later claim wins against an earlier one: a higher logit, or the same and more weight."""
    (logit, weight), (held, held_weight) = challenger, holder
    return (logit > held) | ((logit == held) & (weight > held_weight))


def _connected(mask: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The parts of a mask that hold a painted voxel."""
    used = Box.of(mask).slices  # labels take four times the memory of a mask
    parts, count = ndimage.label(mask[used], structure=np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(parts[painted[used] & mask[used]])] = True
    kept[0] = False
    connected = np.zeros_like(mask)
    connected[used] = kept[parts]
    return connected
