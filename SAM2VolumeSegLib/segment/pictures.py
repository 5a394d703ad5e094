"""The slices of one plane, cropped, windowed and sampled for the model, and the way back."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from SAM2VolumeSegLib.volume import Box, Plane, SquareWindow, Volume, Window, to_unit

AIR = 0.0  # outside of the volume the model sees what is darkest in the window
LOGIT_STRIDE = 4  # SAM2's mask logits have a quarter of the input's size


class PlanePictures:
    """Pictures of `plane` on `box`, `size` pixels square, and slices numbered in the order of propagation ("times").

    Time 0 is the most inferior, posterior or left slice, whatever the storage order.
    """

    def __init__(self, volume: Volume, plane: Plane, box: Box, size: int, window: Window, clahe: bool):
        self.view = volume.view(plane)
        self.times = {index: time for time, index in enumerate(self.view.order)}
        self.box = box
        self._volume, self._window, self._clahe = volume, window, clahe
        self._input = SquareWindow.of(self.view, box, size)
        self._output = SquareWindow.of(self.view, box, size // LOGIT_STRIDE)
        self.key = f"{volume.fingerprint()} {plane.value} {box} {window} {clahe} {size}"

    def index(self, time: int) -> int:
        """Index of a slice in the volume's array."""
        return self.view.order[time]

    def picture(self, index: int) -> np.ndarray:
        """Slice `index` as the model sees it: float32 [size, size] in 0..1."""
        if self._clahe:
            picture = self.view.slice(self._equalised, index)
        else:
            picture = to_unit(self.view.slice(self._volume.voxels, index), self._window)
        return np.ascontiguousarray(self._input.to_model(picture, AIR))

    @cached_property
    def _equalised(self) -> np.ndarray:
        return to_unit(self._volume.voxels, self._window, clahe=True)

    def mask_to_model(self, mask: np.ndarray) -> np.ndarray:
        """A mask on a slice, bool [size, size]."""
        return self._input.mask_to_model(mask)

    def logits_from_model(self, logits: np.ndarray) -> np.ndarray:
        """Low-resolution logits [size / 4, size / 4] at the slice's voxel centres; NaN outside of the window."""
        return self._output.from_model(logits)
