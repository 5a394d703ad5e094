"""The slices of one plane, cropped, windowed and sampled for the model, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation.check import clip_roi
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane, PlaneView, SquareWindow, Volume, Window, to_unit

if TYPE_CHECKING:
    from SAM2VolumeSegLib.propagation.settings import Settings

AIR = 0.0  # outside of the volume the model sees what is darkest in the window
LOGIT_STRIDE = 4  # SAM2's; see Network.logit_stride


class Intensities:
    """A volume's voxels in 0..1, as the model sees them.

    CLAHE needs the whole volume, so it is computed when it is first asked for, and once for all planes.
    """

    def __init__(self, volume: Volume, window: Window, clahe: bool):
        self.volume, self.window, self.clahe = volume, window, clahe
        self.key = f"{volume.fingerprint()} {window} {clahe}"

    def slice(self, view: PlaneView, index: int) -> np.ndarray:
        """Slice `index` of a plane, float32 (rows, columns)."""
        if self.clahe:
            return view.slice(self._equalised, index)
        return to_unit(view.slice(self.volume.voxels, index), self.window)

    @cached_property
    def _equalised(self) -> np.ndarray:
        # CLAHE counts its tiles from a corner: always the same one, or the storage order would change the result.
        views = [self.volume.view(plane) for plane in Plane]
        axes, forward = [view.axis for view in views], tuple(slice(None, None, view.order.step) for view in views)
        equalised = np.empty(self.volume.voxels.shape, dtype=np.float32)
        upright = self.volume.voxels.transpose(axes)[forward]
        equalised.transpose(axes)[forward] = to_unit(upright, self.window, clahe=True)
        return equalised


class PlanePictures:
    """Pictures of `plane` on `box`, `size` pixels square, and slices numbered in the order of propagation ("times").

    Time 0 is the most inferior, posterior or left slice, whatever the storage order.
    """

    def __init__(self, intensities: Intensities, plane: Plane, box: Box, size: int, logit_stride: int = LOGIT_STRIDE):
        self.view = intensities.volume.view(plane)
        self.times = {index: time for time, index in enumerate(self.view.order)}
        self.box = box
        self._intensities = intensities
        self._input = SquareWindow.of(self.view, box, size)
        self._output = SquareWindow.of(self.view, box, size // logit_stride)
        # Not the box: where it ends across the slices says nothing about what is on them.
        self.key = f"{intensities.key} {plane.value} {self._input}"

    @property
    def logits_bytes(self) -> int:
        """Bytes that the logits of one slice take, float32."""
        return 4 * self._output.size_px**2

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last time inside of the box."""
        axis = self.view.axis
        first, last = sorted(self.times[index] for index in (self.box.lower[axis], self.box.upper[axis] - 1))
        return first, last

    def index(self, time: int) -> int:
        """Index of a slice in the volume's array."""
        return self.view.order[time]

    def picture(self, index: int) -> np.ndarray:
        """Slice `index` as the model sees it: float32 [size, size] in 0..1."""
        return np.ascontiguousarray(self._input.to_model(self._intensities.slice(self.view, index), AIR))

    def mask_to_model(self, mask: np.ndarray) -> np.ndarray:
        """A mask on a slice, bool [size, size]."""
        return self._input.mask_to_model(mask)

    def logits_from_model(self, logits: np.ndarray, part: tuple[int, int, int, int] | None = None) -> np.ndarray:
        """Low-resolution logits [size / 4, size / 4] at the voxel centres of a slice, or of a part (top, bottom, left,
        right) of it; NaN outside of the window."""
        return self._output.from_model(logits, part)

    @cached_property
    def seen(self) -> tuple[int, int, int, int]:
        """The part (top, bottom, left, right; ends exclusive) of a slice inside of the window."""
        return self._output.reach(np.ones((self._output.size_px,) * 2, dtype=bool))

    def reach(self, used: np.ndarray) -> tuple[int, int, int, int] | None:
        """The part of a slice that gets its logits from marked pixels, bool [size / 4, size / 4]; None: no part."""
        return self._output.reach(used)


def crops(volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], settings: Settings) -> list[tuple[list[str], Box]]:
    """Which segments share a crop, and the crop: around what is painted, or the region of interest.

    Raises InputError when a segment has no painted slice, or the region of interest holds no voxel.
    """
    groups = [[name] for name in seeds] if settings.crop_each else [list(seeds)]
    if settings.roi is not None:
        roi = clip_roi(settings.roi, volume)
        return [(names, roi) for names in groups]
    return [
        (names, _box_around([seed for name in names for seed in seeds[name]], volume, settings.margin_mm))
        for names in groups
    ]


def _box_around(seeds: Sequence[SeedSlice], volume: Volume, margin_mm: float) -> Box:
    """What is painted, with a margin."""
    box = painted_box(seeds, volume)
    margin = [int(np.ceil(margin_mm / spacing)) for spacing in volume.spacing[::-1]]
    lower = tuple(max(0, first - more) for first, more in zip(box.lower, margin, strict=True))
    upper = zip(box.upper, margin, volume.voxels.shape, strict=True)
    return Box(lower, tuple(min(count, end + more) for end, more, count in upper))


def painted_box(seeds: Sequence[SeedSlice], volume: Volume) -> Box:
    """The box around what is painted, from the slices alone: no mask of the volume's size is made.

    Raises InputError where nothing is painted.
    """
    extents = [painted_extent(seeds, volume, axis) for axis in range(3)]
    if extents[0] is None:
        raise InputError("Nothing is painted: paint the structure on at least one slice and try again.")
    return Box(tuple(first for first, _ in extents), tuple(last + 1 for _, last in extents))


def painted_extent(seeds: Sequence[SeedSlice], volume: Volume, axis: int) -> tuple[int, int] | None:
    """First and last index along a numpy axis of [k, j, i] of what is painted on `seeds`, or None."""
    # Every voxel's index along the axis, without the memory.
    index = np.arange(volume.voxels.shape[axis]).reshape([-1 if n == axis else 1 for n in range(3)])
    index = np.broadcast_to(index, volume.voxels.shape)
    found = [volume.view(seed.plane).slice(index, seed.index)[seed.mask] for seed in seeds if seed.mask.any()]
    return (min(int(f.min()) for f in found), max(int(f.max()) for f in found)) if found else None
