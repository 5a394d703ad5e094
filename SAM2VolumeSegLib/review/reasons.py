"""Why a region is suspect, in the words of a radiologist."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.result import STEPS_PER_LOGIT
from SAM2VolumeSegLib.review.evidence import Evidence, SegmentEvidence
from SAM2VolumeSegLib.review.features import lowest_confidence
from SAM2VolumeSegLib.review.shape import Shape
from SAM2VolumeSegLib.seeds import SlicePlace, position_text
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume, to_unit

SPREAD = 1.5
"""Standard deviation of the votes in logits, from which on they disagree: sure votes for and against have 4."""
FAR_MM = 8.0
CONFIDENCE = 0.6
"""SAM2's own, below which it is little."""
SHARE = 0.25
"""Of a region, from which on what is said of its voxels is said of it."""
BESIDE_MM = 2.0
FLAT_PER_MM = 0.02
"""Slope of the intensity, as a share of the window's width, below which an eye sees no edge: 20 HU per mm in the bone
window, as in `propagation.edges`."""


def reasons_of(volume: Volume, evidence: Evidence, name: str, region: BoxMask, shape: Shape) -> tuple[str, ...]:
    """Why a region of a segment is suspect, the weightiest first.

    Args:
        volume: the CT.
        evidence: of all segments.
        name: of the segment.
        region: what is suspect.
        shape: of the segment's mask.
    """
    own, box, inside = evidence.segments[name], region.box, region.inside
    found = [*_of_votes(volume, own, box, inside), *_of_neighbours(evidence, name, box, inside)]
    found += [*_of_ct(volume, evidence, own, box, inside), *_of_shape(volume, own, region, shape)]
    found.sort(key=lambda reason: -reason[0])
    return tuple(text for _weight, text in found) or (_("many small errors along its surface"),)


def _of_votes(volume: Volume, own: SegmentEvidence, box: Box, inside: np.ndarray) -> Iterator[tuple[float, str]]:
    """What the votes and the paint say: by how much of what is usual it is more, and the words."""
    spread = float(own.on(box, own.spread, 0)[inside].mean()) / STEPS_PER_LOGIT
    if spread >= SPREAD:
        several = len(own.confidence) > 1
        yield spread / SPREAD, _("the axes disagree") if several else _("the two directions disagree")
    far = float(own.from_painted_mm(volume, box)[inside].mean())
    if far >= FAR_MM:
        yield far / FAR_MM, _("far from any known slice ({far:.0f} mm)").format(far=far)
    confidence = float(lowest_confidence(volume, own, box)[inside].mean())
    if confidence < CONFIDENCE:
        yield (1 - confidence) / (1 - CONFIDENCE), _("the model itself is not confident")
    mask = own.on(box, own.found.inside, False)
    fused, voted = own.on(box, own.fused, -1) > 0, own.on(box, own.voted, -1) > 0
    moved = float(((fused != voted) & (fused == mask))[inside].mean())
    if moved >= 2 * SHARE:
        yield moved / (2 * SHARE), _("an edge in the CT and the model do not agree")


def _of_neighbours(evidence: Evidence, name: str, box: Box, inside: np.ndarray) -> Iterator[tuple[float, str]]:
    """What other segments claim, and what was dropped."""
    own = evidence.segments[name]
    claimed = own.on(box, own.fused, -1) > 0
    free = claimed & ~own.on(box, own.found.inside, False)
    for other, theirs in evidence.segments.items():
        if other == name or theirs.box.meet(box).is_empty:
            continue
        contested = float((claimed & (theirs.on(box, theirs.fused, -1) > 0))[inside].mean())
        if contested >= SHARE / 2:
            yield 2 * contested / SHARE, _("{neighbour} claims it too").format(neighbour=other)
        free &= ~theirs.on(box, theirs.found.inside, False)
    dropped = float(free[inside].mean())
    if dropped >= SHARE / 2:
        yield 2 * dropped / SHARE, _("a loose part was dropped here")


def _of_ct(
    volume: Volume, evidence: Evidence, own: SegmentEvidence, box: Box, inside: np.ndarray
) -> Iterator[tuple[float, str]]:
    """Whether an eye sees an edge where the surface is."""
    around = box.grown(3.0, volume)  # further than the smoothing reaches
    spacing = volume.spacing[::-1]
    unit = to_unit(volume.voxels[around.slices], evidence.window)
    smooth = ndimage.gaussian_filter(unit, [1.0 / mm for mm in spacing])
    slope = np.sqrt(sum(np.square(np.gradient(smooth, mm, axis=axis)) for axis, mm in enumerate(spacing)))
    mask = own.on(around, own.found.inside, False)
    surface = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    surface[around.index_of(box)] &= inside
    surface &= _within(around, box)
    if surface.any():
        flat = float((slope[surface] < FLAT_PER_MM).mean())
        if flat >= SHARE:
            yield flat / SHARE, _("no clear edge in the CT")


def _of_shape(volume: Volume, own: SegmentEvidence, region: BoxMask, shape: Shape) -> Iterator[tuple[float, str]]:
    """What is odd about the mask's shape there."""
    if any(_touch(bridge.region, region) for bridge in shape.bridges):
        yield 1.5, _("joined to the rest by a thin bridge")
    for place in shape.cuts:
        if _meets(volume, place, region):
            if place in own.painted:
                yield 2.0, _("was cut at the outermost known slice ({where})").format(where=_where(volume, place))
            else:
                yield 2.0, _("ends abruptly ({where})").format(where=_where(volume, place))
    for place in shape.jumps:
        if _meets(volume, place, region):
            yield 1.2, _("area jumps from one slice to the next ({where})").format(where=_where(volume, place))


def _where(volume: Volume, place: SlicePlace) -> str:
    plane, index = place
    return f"{plane.value} {position_text(volume, plane, index)}"


def _meets(volume: Volume, place: SlicePlace, region: BoxMask) -> bool:
    """Whether a part of a region worth a word lies on a slice, or beside it."""
    plane, index = place
    view = volume.view(plane)
    along = np.count_nonzero(region.inside, axis=tuple({0, 1, 2} - {view.axis}))
    away = np.abs(np.arange(len(along)) + region.box.lower[view.axis] - index) * view.slice_mm
    return bool(along[away <= BESIDE_MM].sum() >= SHARE * along.sum())


def _touch(one: BoxMask, other: BoxMask) -> bool:
    """Whether two regions share a voxel, or nearly."""
    around = Box(one.box.moved((-1, -1, -1)).lower, one.box.moved((1, 1, 1)).upper)
    part = around.meet(other.box)
    if part.is_empty:
        return False
    grown = ndimage.binary_dilation(np.pad(one.inside, 1), np.ones((3, 3, 3)))
    return bool((grown[around.index_of(part)] & other.inside[other.box.index_of(part)]).any())


def _within(around: Box, box: Box) -> np.ndarray:
    within = np.zeros(around.shape, dtype=bool)
    within[around.index_of(box)] = True
    return within
