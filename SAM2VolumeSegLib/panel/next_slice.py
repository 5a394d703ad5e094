"""Which slice would help most to paint next. Apart from the words about it (`advice`), because studies go by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from SAM2VolumeSegLib.seeds.choose import SlicePlace
from SAM2VolumeSegLib.seeds.painted import painted_box
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

ENOUGH = 3  # painted slices per axis: `study run painting` measures one, three and nine slices in all
ORDER = (Plane.AXIAL, Plane.SAGITTAL, Plane.CORONAL)
"""Which axis comes first among those with as few painted slices: what `study run order` measures. A sagittal slice
shows where a vertebra ends on more sides than a coronal one does."""
MIN_STRETCH = 4  # slices without paint, below which another painted one adds nothing


def next_slice(
    seeds: Sequence[SeedSlice],
    volume: Volume,
    planes: Sequence[Plane] = tuple(Plane),
    preferred: Plane | None = None,
    enough: int = ENOUGH,
) -> SlicePlace | None:
    """Return plane and index of the slice to paint next; None when nothing is painted, or nothing more is asked for.

    First each axis gets one painted slice, through the middle of what is painted; then each a second and a third, in
    the middle of its longest stretch without paint: three lie about a quarter, half and three quarters of the way.
    Inside, a slice tells more than at an end, and nobody has to find the ends. Where these are is taken from what is
    painted on the other axes; with paint on one axis alone, from its size.

    Args:
        seeds: of one segment, those in use, absent ones included.
        volume: the CT.
        planes: the axes that are switched on.
        preferred: the plane that comes first among those with as few painted slices.
        enough: painted slices of each axis, after which none is asked for.
    """
    painted = [seed for seed in seeds if not seed.absent]
    if not painted:
        return None
    counts = {plane: sum(seed.plane is plane for seed in painted) for plane in Plane}
    for plane in sorted(
        (plane for plane in ORDER if plane in planes), key=lambda plane: (counts[plane], plane is not preferred)
    ):
        found = _next_on(plane, seeds, painted, volume) if counts[plane] < enough else None
        if found is not None:
            return plane, found
    return None


def _next_on(plane: Plane, seeds: Sequence[SeedSlice], painted: Sequence[SeedSlice], volume: Volume) -> int | None:
    """Return the slice to paint next on an axis: in the middle of its longest stretch; None where none is long."""
    own = sorted(seed.index for seed in painted if seed.plane is plane)
    first, last = _extent(own, painted, plane, volume)
    if not own:
        return (first + last) // 2
    absent = [seed.index for seed in seeds if seed.plane is plane and seed.absent]
    first = max([first, *(index + 1 for index in absent if index < own[0])])
    last = min([last, *(index - 1 for index in absent if index > own[-1])])
    known = sorted([*own, *(index for index in absent if own[0] < index < own[-1])])
    before, after = max(pairwise([first, *known, last]), key=lambda stretch: stretch[1] - stretch[0])
    return (before + after) // 2 if after - before >= MIN_STRETCH else None


def _extent(own: Sequence[int], painted: Sequence[SeedSlice], plane: Plane, volume: Volume) -> tuple[int, int]:
    """First and last slice of the structure along an axis, as far as the paint tells."""
    view, box = volume.view(plane), painted_box(painted, volume)
    if any(seed.plane is not plane for seed in painted):
        return box.lower[view.axis], box.upper[view.axis] - 1
    # Nothing shows it: as long as it is wide.
    widths = [
        n * mm for axis, (n, mm) in enumerate(zip(box.shape, volume.spacing[::-1], strict=True)) if axis != view.axis
    ]
    half = max(1, round(sum(widths) / 4 / view.slice_mm))
    centre = (own[0] + own[-1]) // 2
    return max(0, min(own[0], centre - half)), min(view.count - 1, max(own[-1], centre + half))
