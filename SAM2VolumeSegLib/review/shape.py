"""What a mask's shape gives away, whatever it was made by: holes, loose parts, bridges, jumps, cuts, contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.seeds import SlicePlace
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Volume

BRIDGE_MM = 2.0
"""Half the width of a bridge at most: what a ball of this radius does not pass."""
PART_ML = 0.5
"""Volume of a part, at least, that hangs on a bridge."""
JUMP = 0.35
"""Of the largest area along an axis, by how much the area of two neighbouring slices differs at a jump."""
CUT = 0.25
"""Of the largest area along an axis, the area of a last slice that looks cut off."""
AROUND = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Contact:
    """Where a segment touches another.

    Attributes:
        neighbour: name of the other.
        area_mm2: of the faces that their voxels share.
    """

    neighbour: str
    area_mm2: float


@dataclass(frozen=True, eq=False)
class Bridge:
    """A thin place between two parts of a mask.

    Attributes:
        region: its voxels.
        beyond_ml: volume of the smaller part that hangs on it.
    """

    region: BoxMask
    beyond_ml: float


@dataclass(frozen=True, eq=False)
class Shape:
    """What is odd about a mask's shape.

    Attributes:
        volume_ml: of the mask.
        holes_ml: volume of each cavity that is closed on all sides, the largest first.
        islands_ml: volume of each loose part but the largest, likewise.
        bridges: thin places that hold on to a part of at least `PART_ML`.
        jumps: slices whose area differs much from that of the slice before.
        cuts: outermost slices that hold much area, where the volume goes on.
        contacts: with each neighbour that it touches.
    """

    volume_ml: float
    holes_ml: tuple[float, ...]
    islands_ml: tuple[float, ...]
    bridges: tuple[Bridge, ...]
    jumps: tuple[SlicePlace, ...]
    cuts: tuple[SlicePlace, ...]
    contacts: tuple[Contact, ...]


def shape_of(volume: Volume, found: BoxMask, others: Mapping[str, BoxMask]) -> Shape:
    """What is odd about a mask's shape.

    Args:
        volume: the CT.
        found: the mask.
        others: masks of the other segments by name.
    """
    own = found.trimmed()
    voxel_ml = float(np.prod(volume.spacing)) / 1000
    if own.box.is_empty:
        return Shape(0.0, (), (), (), (), (), ())
    mask = np.pad(own.inside, 1)
    parts, count = ndimage.label(mask, AROUND)
    islands = np.sort(np.bincount(parts.ravel(), minlength=count + 1)[1:])[::-1][1:]
    hollow, holes = ndimage.label(~mask)
    sizes = np.bincount(hollow.ravel(), minlength=holes + 1)
    sizes[[0, hollow[0, 0, 0]]] = 0  # the mask, and what is around it
    sizes = np.sort(sizes[sizes > 0])[::-1]
    jumps, cuts = _areas(volume, own)
    return Shape(
        volume_ml=int(np.count_nonzero(mask)) * voxel_ml,
        holes_ml=tuple(float(size * voxel_ml) for size in sizes),
        islands_ml=tuple(float(size * voxel_ml) for size in islands),
        bridges=_bridges(volume, own),
        jumps=jumps,
        cuts=cuts,
        contacts=_contacts(volume, own, others),
    )


def _bridges(volume: Volume, own: BoxMask) -> tuple[Bridge, ...]:
    """Thin places: where a ball does not pass from one part to the next, and the smaller part is not small."""
    voxel_ml = float(np.prod(volume.spacing)) / 1000
    mask = np.pad(own.inside, 1)
    thick = ndimage.distance_transform_edt(mask, sampling=volume.spacing[::-1]) > BRIDGE_MM
    cores, count = ndimage.label(thick, AROUND)
    sizes = np.bincount(cores.ravel(), minlength=count + 1)
    large = np.flatnonzero(sizes * voxel_ml >= PART_ML / 4)  # a part is thicker than its core
    large = large[large > 0]
    if len(large) < 2:
        return ()
    kept = np.where(np.isin(cores, large), cores, 0)
    nearest = ndimage.distance_transform_edt(
        kept == 0, sampling=volume.spacing[::-1], return_distances=False, return_indices=True
    )
    owner = np.where(mask, kept[tuple(nearest)], 0)
    volumes = np.bincount(owner.ravel(), minlength=count + 1) * voxel_ml
    largest = int(np.argmax(np.where(np.isin(np.arange(count + 1), large), volumes, 0)))
    bridges = []
    for part in large:
        if part != largest and volumes[part] >= PART_ML:
            border = ndimage.binary_dilation(owner == part, AROUND) & mask & (owner != part)
            if border.any():
                inside = border[1:-1, 1:-1, 1:-1]
                bridges.append(Bridge(BoxMask(own.shape, own.box, inside).trimmed(), float(volumes[part])))
    return tuple(sorted(bridges, key=lambda bridge: -bridge.beyond_ml))


def _areas(volume: Volume, own: BoxMask) -> tuple[tuple[SlicePlace, ...], tuple[SlicePlace, ...]]:
    """Jumps, and cuts."""
    jumps: list[SlicePlace] = []
    cuts: list[SlicePlace] = []
    for view in map(volume.view, Plane):
        areas = np.count_nonzero(own.inside, axis=tuple({0, 1, 2} - {view.axis}))
        first = own.box.lower[view.axis]
        steps = np.abs(np.diff(areas)) > JUMP * areas.max()
        jumps += [(view.plane, first + int(n) + 1) for n in np.flatnonzero(steps)]
        for end, index in ((0, first), (-1, first + len(areas) - 1)):
            if areas[end] > CUT * areas.max() and 0 < index < view.count - 1:
                cuts.append((view.plane, index))
    return tuple(jumps), tuple(cuts)


def _contacts(volume: Volume, own: BoxMask, others: Mapping[str, BoxMask]) -> tuple[Contact, ...]:
    """The faces that voxels share with each neighbour's."""
    k, j, i = volume.spacing[::-1]
    faces = (j * i, k * i, k * j)
    around = Box(own.box.moved((-1, -1, -1)).lower, own.box.moved((1, 1, 1)).upper)
    contacts = []
    for name, other in others.items():
        if around.meet(other.box).is_empty:
            continue
        mine, theirs = own.on(around), other.on(around)
        area = 0.0
        for axis, face in enumerate(faces):
            before = tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))
            behind = tuple(slice(1, None) if n == axis else slice(None) for n in range(3))
            shared = np.count_nonzero(mine[before] & theirs[behind]) + np.count_nonzero(theirs[before] & mine[behind])
            area += shared * face
        if area:
            contacts.append(Contact(name, float(area)))
    return tuple(sorted(contacts, key=lambda contact: -contact.area_mm2))
