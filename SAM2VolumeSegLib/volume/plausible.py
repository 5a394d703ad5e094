"""What an image has to be to hold a CT or its labels: one scalar volume, with axes that planes can be cut along."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.text import size_text

MAX_SHEAR_DEGREES = 1.0
"""Over 100 mm a plane that leans by 1 degree is 1.7 mm off, about a voxel. What is cut and shown on axial, coronal and
sagittal planes as if they were at right angles is then still the anatomy; voxels keep their exact place in any case."""
_ROUNDING = 1e-4
"""Cosine between axes that are at right angles up to the rounding of a header."""
_VOXEL_MM = (1e-4, 1e3)
"""From micro-CT to a metre: beyond, a header is damaged."""


def check_scalar_volume(path: Path, size: tuple[int, ...], components: int) -> None:
    """Check that an image is one scalar volume.

    Args:
        path: for messages.
        size: number of voxels along i, j, k, ...; dimensions after the third may have one entry each.
        components: number of values a voxel.

    Raises:
        InputError: more or fewer dimensions than three, or more than one value a voxel.
    """
    if components > 1:
        raise InputError(
            _('"{path}" is a colour or vector image ({components} values a voxel). Give a CT, with one.').format(
                path=path, components=components
            )
        )
    if len(size) < 3:
        raise InputError(
            _('"{path}" is a single slice, not a volume. Load the whole series and try again.').format(path=path)
        )
    if any(count != 1 for count in size[3:]):
        raise InputError(
            _(
                '"{path}" has {size} dimensions (several time points?). Save one of its volumes by itself and use that.'
            ).format(path=path, size=len(size))
        )


def check_axes(path: Path, ijk_to_ras: np.ndarray) -> None:
    """Check the geometry of an image.

    Args:
        path: for messages.
        ijk_to_ras: 4x4 matrix, in mm.

    Warns:
        InputWarning: the axes are a little off right angles.

    Raises:
        InputError: not finite numbers, a voxel has no plausible size, the axes are singular or too far off right
            angles.
    """
    with np.errstate(all="ignore"):
        spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
        directions = ijk_to_ras[:3, :3] / spacing
    if not np.isfinite(ijk_to_ras).all() or not ((spacing > _VOXEL_MM[0]) & (spacing < _VOXEL_MM[1])).all():
        raise InputError(
            _(
                'The geometry of "{path}" is damaged: its voxels would measure {size_text} mm. Correct the '
                "spacing and origin in its header, or export it again."
            ).format(path=path, size_text=size_text(spacing))
        )
    if abs(np.linalg.det(directions)) < 1e-3:
        raise InputError(
            _(
                'The geometry of "{path}" is singular: axes point the same way. Correct the direction in its '
                "header, or export it again."
            ).format(path=path)
        )
    cosine = np.abs(directions.T @ directions - np.eye(3)).max()
    degrees = float(np.degrees(np.arcsin(min(1.0, cosine))))
    if degrees > MAX_SHEAR_DEGREES:
        raise InputError(
            _(
                'The geometry of "{path}" is sheared: its axes are {degrees:.2f} degrees off right angles, and '
                "{max_shear_degrees:g} is the most that is read. Resample it in 3D Slicer (Resample Scalar "
                "Volume) and use that."
            ).format(path=path, degrees=degrees, max_shear_degrees=MAX_SHEAR_DEGREES)
        )
    if cosine > _ROUNDING:
        warnings.warn(
            _(
                'The axes of "{file}" are {degrees:.2g} degrees off right angles. It is read as it is: every '
                "voxel keeps its exact place."
            ).format(file=path.name, degrees=degrees),
            InputWarning,
            stacklevel=2,
        )
