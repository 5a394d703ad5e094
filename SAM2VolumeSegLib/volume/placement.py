"""Putting masks from a piece of the CT's lattice, in whatever order it is stored, onto the CT's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.planes import Triple, matching_axes, triple
from SAM2VolumeSegLib.volume.text import size_text
from SAM2VolumeSegLib.volume.volume import GRID_TOLERANCE_VOXELS, Volume, grid_distance


@dataclass(frozen=True)
class Placement:
    """Where a grid lies on a volume: cropped, extended, with its axes permuted or flipped, or none of it.

    Attributes:
        axes: the grid's array axis that runs along each array axis [k, j, i] of the volume.
        steps: -1 where it runs the other way, else 1.
        shape: the grid's size [k, j, i] once its axes are in the volume's order.
        offset: the volume's voxel [k, j, i] at which it then begins.
        volume_shape: the volume's size [k, j, i].
    """

    axes: Triple
    steps: Triple
    shape: Triple
    offset: Triple
    volume_shape: Triple

    @classmethod
    @np.errstate(all="ignore")  # absurd numbers in a header are another grid, and no matter for warnings
    def of(cls, shape: Triple, ijk_to_ras: np.ndarray, volume: Volume, name: str) -> Placement:
        """Find where a grid lies on a volume.

        Args:
            shape: the grid's size [k, j, i].
            ijk_to_ras: the grid's matrix (mm).
            volume: the CT.
            name: of the grid, for messages.

        Raises:
            InputError: the grid is not a piece of the volume's lattice; says what differs.
        """
        spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
        if not spacing.all() or not np.isfinite(spacing).all():
            raise InputError(
                _('The grid of "{name}" has voxels without a size. Save the segmentation again.').format(name=name)
            )
        along = np.linalg.solve(volume.ijk_to_ras, ijk_to_ras)[:3, :3] / spacing
        columns = matching_axes(along)  # the grid's axis (i, j, k) that runs along each of the volume's
        steps = [1 if along[axis, column] >= 0 else -1 for axis, column in enumerate(columns)]
        last = [shape[2 - column] - 1 if step < 0 else 0 for column, step in zip(columns, steps, strict=True)]
        # From indices in the volume's order to the grid's own: the upright grid has the same voxels.
        upright = np.zeros((4, 4))
        upright[columns, range(3)] = steps
        upright[columns, 3] = last
        upright[3, 3] = 1
        ijk_to_ras = ijk_to_ras @ upright
        axes = triple(2 - column for column in columns[::-1])
        shape = triple(shape[axis] for axis in axes)
        offset = np.rint(np.linalg.solve(volume.ijk_to_ras, ijk_to_ras[:, 3])[:3])
        moved = volume.ijk_to_ras.copy()
        moved[:3, 3] = (volume.ijk_to_ras @ [*offset, 1.0])[:3]
        if not grid_distance(moved, ijk_to_ras, shape) <= GRID_TOLERANCE_VOXELS:
            raise InputError(
                _(
                    'The grid of "{name}" is not the grid of "{volume}": {differences}. Choose that CT as '
                    "the source volume of the segmentation in 3D Slicer (or resample the labels to it) and save it "
                    "again."
                ).format(name=name, volume=volume.name, differences=_differences(shape, ijk_to_ras, volume))
            )
        return cls(axes, triple(steps[::-1]), shape, triple(offset[::-1]), volume.voxels.shape)

    def put(self, mask: np.ndarray, name: str) -> np.ndarray:
        """Return the boolean mask of segment ``name`` on the volume's grid; a mask without voxels may have any shape.

        Raises:
            InputError: voxels are painted outside the volume.
        """
        result = np.zeros(self.volume_shape, dtype=bool)
        if not mask.any():
            return result
        mask = mask.transpose(self.axes)[tuple(slice(None, None, step) for step in self.steps)]
        if mask.shape == self.volume_shape and not any(self.offset):
            return np.ascontiguousarray(mask)
        source, target = [], []
        for count, offset, total in zip(self.shape, self.offset, self.volume_shape, strict=True):
            first, last = max(0, offset), max(0, min(total, offset + count))
            target.append(slice(first, last))
            source.append(slice(first - offset, max(first, last) - offset))
        result[tuple(target)] = mask[tuple(source)]
        if outside := np.count_nonzero(mask) - np.count_nonzero(result):
            raise InputError(
                _(
                    'Segment "{name}" has {outside} painted voxels outside the CT. Erase them, or choose the CT that '
                    "the segment was painted on."
                ).format(name=name, outside=outside)
            )
        return result


def _differences(shape: Triple, ijk_to_ras: np.ndarray, volume: Volume) -> str:
    """Say in words how two grids, their axes in the same order, differ: spacing, direction, origin, size."""
    theirs, ours = np.asarray(ijk_to_ras), volume.ijk_to_ras
    their_mm, our_mm = (np.linalg.norm(m[:3, :3], axis=0) for m in (theirs, ours))
    words = []
    if not np.allclose(their_mm, our_mm, rtol=1e-3):
        words.append(
            _("spacing {theirs} mm instead of {ours} mm").format(theirs=size_text(their_mm), ours=size_text(our_mm))
        )
    cosines = np.sum(theirs[:3, :3] / their_mm * ours[:3, :3] / our_mm, axis=0)
    if (angle := float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())) > 0.05:
        words.append(_("direction turned by up to {angle:.1f} degrees").format(angle=angle))
    if (shift := float(np.linalg.norm(theirs[:3, 3] - ours[:3, 3]))) > 1e-3:
        words.append(_("origin {shift:.2f} mm apart").format(shift=shift))
    if tuple(shape) != volume.voxels.shape:
        words.append(
            _("size {theirs} instead of {ours}").format(
                theirs=size_text(shape[::-1]), ours=size_text(volume.voxels.shape[::-1])
            )
        )
    return ", ".join(words) or _("voxels drift apart")
