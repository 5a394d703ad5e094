"""A shaded 3-D picture of masks in plain numpy: it needs no display, no OpenGL and no further library."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.volume import Volume

_SMOOTH_VOXELS = 0.7  # rounds the voxel steps, but keeps structures that are two voxels thin
_OCCLUSION_MM = 4.0  # size of the hollows that lie in the shade
_KEY_LIGHT = np.array([-0.5, 0.6, -0.65])  # (right, up, forward) of the camera: from above its left shoulder


def render_masks(
    masks: Mapping[str, np.ndarray],
    volume: Volume,
    colors: Mapping[str, tuple[float, float, float]],
    marks: Mapping[str, np.ndarray] | None = None,
    mark_color: tuple[float, float, float] = (1.0, 0.8, 0.2),
    azimuth: float = 130.0,
    elevation: float = 18.0,
    height_px: int = 800,
) -> np.ndarray:
    """Render the surfaces of masks by casting parallel rays through the smoothed masks.

    Args:
        masks: bool [k, j, i] per structure on the grid of ``volume``; empty ones are left out.
        volume: the CT, for its geometry.
        colors: (r, g, b) in 0..1 per structure.
        marks: optional bool [k, j, i] per structure; where such a voxel is at the surface it is painted ``mark_color``.
        mark_color: (r, g, b) in 0..1.
        azimuth: degrees around the patient from the front, positive towards the patient's left.
        elevation: degrees above the axial plane.
        height_px: height of the picture; the width follows from the structures.

    Returns:
        float32 (rows, columns, 4): red, green, blue and opacity in 0..1. Fully transparent when every mask is empty.
    """
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    if not masks:
        return np.zeros((height_px, height_px, 4), dtype=np.float32)
    camera = _camera(azimuth, elevation)
    points = camera @ _ras(np.argwhere(np.any(list(masks.values()), axis=0)), volume)
    pad = 2 * max(volume.spacing)
    (left, right), (bottom, top), (_, far) = ((p.min() - pad, p.max() + pad) for p in points)
    step = (top - bottom) / height_px
    x, y = np.meshgrid(np.arange(left, right, step), np.arange(top, bottom, -step)[:height_px])
    picture = np.zeros((*x.shape, 4), dtype=np.float32)
    depth = np.full(x.shape, np.inf)
    shade = _blurred(np.any(list(masks.values()), axis=0), [_OCCLUSION_MM / mm for mm in volume.spacing[::-1]])
    for name, mask in masks.items():
        field = _blurred(mask, _SMOOTH_VOXELS)
        hit = _first_hit(field, camera, volume, x, y, far)
        seen = hit < depth
        depth[seen] = hit[seen]
        where = camera.T @ np.stack([x[seen], y[seen], hit[seen]])
        normal = camera @ _normals(field, volume, where)
        color = np.repeat(np.array(colors[name], dtype=float)[:, None], normal.shape[1], axis=1)
        if marks is not None and name in marks:
            # Half a voxel below the surface, where a painted slice that ends there is still painted.
            below = where - camera.T @ normal * (min(volume.spacing) / 2)
            amount = np.clip(4 * _sample(_blurred(marks[name], 0.35), volume, below) - 0.9, 0, 1)
            color += amount * (np.array(mark_color)[:, None] - color)
        outside = where + camera.T @ normal * _OCCLUSION_MM
        picture[seen, :3] = (color * _light(normal, _sample(shade, volume, outside))).T.clip(0, 1)
        picture[seen, 3] = 1
    return picture


def _camera(azimuth: float, elevation: float) -> np.ndarray:
    """Return the rotation from RAS to the camera's (right, up, forward)."""
    around, above = math.radians(azimuth), math.radians(elevation)
    # Azimuth 0 looks from anterior to posterior; the patient's left is at negative R.
    forward = np.array([math.sin(around) * math.cos(above), -math.cos(around) * math.cos(above), -math.sin(above)])
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(right, forward), forward])


def _ras(indices: np.ndarray, volume: Volume) -> np.ndarray:
    """Return RAS mm (3, n) of array indices (n, 3) in order k, j, i."""
    return volume.ijk_to_ras[:3, :3] @ indices[:, ::-1].T + volume.ijk_to_ras[:3, 3:]


def _sample(field: np.ndarray, volume: Volume, ras: np.ndarray) -> np.ndarray:
    """Return ``field`` [k, j, i] at points (3, n) in RAS mm, trilinear, 0 outside."""
    # Not solve(): with so many right-hand sides it takes as long as the interpolation.
    ijk = np.linalg.inv(volume.ijk_to_ras[:3, :3]) @ (ras - volume.ijk_to_ras[:3, 3:])
    return ndimage.map_coordinates(field, ijk[::-1], order=1, mode="constant", prefilter=False)


def _first_hit(
    field: np.ndarray, camera: np.ndarray, volume: Volume, x: np.ndarray, y: np.ndarray, far: float
) -> np.ndarray:
    """Return for each ray (camera x, y in mm) the depth in mm where ``field`` first rises to 0.5, else infinity."""
    depth = _start_depth(field, camera, volume, x, y)
    hit = np.full(x.shape, np.inf)
    rays = np.flatnonzero(np.isfinite(depth))
    x, y, depth = x.flat[rays], y.flat[rays], depth.flat[rays]
    before = np.zeros(rays.size, dtype=np.float32)
    step = min(volume.spacing) / 2
    while rays.size:
        now = _sample(field, volume, camera.T @ np.stack([x, y, depth]))
        entered = now >= 0.5
        fraction = (0.5 - before[entered]) / (now[entered] - before[entered])
        hit.flat[rays[entered]] = depth[entered] - step * (1 - fraction)
        going = ~entered & (depth < far)
        rays, x, y, depth, before = rays[going], x[going], y[going], depth[going] + step, now[going]
    return hit


def _start_depth(field: np.ndarray, camera: np.ndarray, volume: Volume, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return for each ray a depth in mm safely before the first voxel in its way, infinity where there is none."""
    cell = 2 * max(volume.spacing)
    column, row, depth = camera @ _ras(np.argwhere(field > 0.25), volume)
    shape = tuple(int(extent / cell) + 1 for extent in (y[0, 0] - y[-1, 0], x[0, -1] - x[0, 0]))

    def cells(across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = ((y[0, 0] - down) / cell).astype(int), ((across - x[0, 0]) / cell).astype(int)
        return rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)

    first = np.full(shape, np.inf)
    np.minimum.at(first, cells(column, row), depth)
    return ndimage.minimum_filter(first, 3)[cells(x, y)] - cell


def _normals(field: np.ndarray, volume: Volume, ras: np.ndarray) -> np.ndarray:
    """Return outward unit normals (3, n) in RAS of the surface of ``field`` at points (3, n) in RAS mm."""
    reach = np.eye(3) * min(volume.spacing)
    slope = np.stack(
        [_sample(field, volume, ras - d[:, None]) - _sample(field, volume, ras + d[:, None]) for d in reach]
    )
    return slope / np.maximum(np.linalg.norm(slope, axis=0), 1e-6)


def _light(normal: np.ndarray, occlusion: np.ndarray) -> np.ndarray:
    """Return brightness (n,) of surface points with a normal (3, n) in camera axes and ``occlusion`` 0..1."""
    towards = _KEY_LIGHT / np.linalg.norm(_KEY_LIGHT)
    diffuse = np.maximum(towards @ normal, 0)
    facing = np.maximum(-normal[2], 0)
    ambient = 0.55 * (1 - np.clip(1.3 * occlusion, 0, 0.85))
    return ambient + 0.55 * diffuse + 0.12 * facing + 0.25 * diffuse**24


def _blurred(mask: np.ndarray, sigma: float | list[float]) -> np.ndarray:
    return ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant", truncate=3)
