"""The slices of one plane, cropped, windowed and sampled for the model, and the way back."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from SAM2VolumeSegLib.volume import Box, Plane, PlaneView, SquareWindow, Volume, Window, to_unit
from SAM2VolumeSegLib.volume.planes import Rectangle

AIR = 0.0  # outside of the volume the model sees what is darkest in the window
LOGIT_STRIDE = 4  # SAM2's; see Network.logit_stride


class Intensities:
    """A volume's voxels in 0..1, as the model sees them.

    CLAHE needs the whole volume, so it is computed when it is first asked for, and once for all planes.

    Attributes:
        volume: the CT.
        window: its limits are 0 and 1.
        clahe: whether contrast is equalised after the window.
    """

    def __init__(self, volume: Volume, window: Window, clahe: bool):
        self.volume, self.window, self.clahe = volume, window, clahe

    @cached_property
    def key(self) -> str:
        """Equal for what looks the same."""
        return f"{self.volume.fingerprint()} {self.window} {self.clahe}"

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
    """The slices of a plane as the model sees them, numbered in the order of propagation ("positions").

    Position 0 is the most inferior, posterior or left slice, whatever the storage order.

    Attributes:
        view: how the slices lie in the volume.
        positions: of each slice, by its index in the volume's array.
        box: the crop, voxels [k, j, i].
    """

    def __init__(self, intensities: Intensities, plane: Plane, box: Box, size: int, logit_stride: int = LOGIT_STRIDE):
        """No picture is made yet.

        Args:
            intensities: the voxels in 0..1.
            plane: whose slices.
            box: what has to be on each picture; a picture is the smallest square around it.
            size: pixels along each side.
            logit_stride: pixels of a picture that one of the network's logits stands for.
        """
        self.view = intensities.volume.view(plane)
        self.positions = {index: position for position, index in enumerate(self.view.order)}
        self.box = box
        self._intensities = intensities
        self._input = SquareWindow.of(self.view, box, size)
        self._output = SquareWindow.of(self.view, box, size // logit_stride)

    @cached_property
    def key(self) -> str:
        """Equal for pictures that are the same."""
        # Not the box: where it ends across the slices says nothing about what is on them.
        return f"{self._intensities.key} {self.view.plane.value} {self._input}"

    @property
    def logits_bytes(self) -> int:
        """Bytes that the logits of one slice take, float32."""
        return 4 * self._output.size_px**2

    def index(self, position: int) -> int:
        """Index of a slice in the volume's array."""
        return self.view.order[position]

    def picture(self, index: int) -> np.ndarray:
        """Slice `index` as the model sees it: float32 [size, size] in 0..1."""
        return np.ascontiguousarray(self._input.to_model(self._intensities.slice(self.view, index), AIR))

    def mask_to_model(self, mask: np.ndarray) -> np.ndarray:
        """A mask on a slice, bool [size, size]."""
        return self._input.mask_to_model(mask)

    def logits_from_model(self, logits: np.ndarray, part: Rectangle | None = None) -> np.ndarray:
        """Logits at the voxel centres of a slice.

        Args:
            logits: what the model says, [..., S, S], where S is size / logit_stride.
            part: Of the slice; None is all of it.

        Returns:
            float32 [..., rows, columns], NaN outside of the window.
        """
        return self._output.from_model(logits, part)

    @cached_property
    def seen(self) -> Rectangle:
        """The part of a slice inside of the window."""
        part = self.reach(np.ones((self._output.size_px,) * 2, dtype=bool))
        assert part is not None  # the window is around a box of the volume
        return part

    def reach(self, used: np.ndarray) -> Rectangle | None:
        """The part of a slice whose logits come from marked pixels; None: no part.

        Args:
            used: the marked pixels, bool [S, S], as of `logits_from_model`.
        """
        return self._output.reach(used)
