"""Shapes of bones and of their look-alikes, as signed distances.

Lengths are in voxels; signed distances are negative inside. Every entry of OBJECTS takes a random generator, the
coordinates of `warped_grid` and the side of the cube, and returns one signed distance [k, j, i] for each object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from scipy import ndimage

Distance: TypeAlias = np.ndarray
"""A signed distance [k, j, i]."""
Vector: TypeAlias = Sequence[float] | np.ndarray
"""One number for each axis."""

# ---------------------------------------------------------------------------------------------------- coordinates


def smooth_noise(rng: np.random.Generator, size: int, nodes: int) -> np.ndarray:
    """Return noise of unit scale that varies over `size / nodes` voxels, [size, size, size] float32."""
    spline = ndimage.zoom(np.eye(nodes), (size / nodes, 1), order=3, mode="nearest", grid_mode=True).astype(np.float32)
    noise = rng.standard_normal((nodes, nodes, nodes)).astype(np.float32)
    for _ in range(3):  # separable: one axis at a time is thirty times faster than one 3-D zoom
        noise = np.tensordot(noise, spline, axes=(0, 1))
    return noise


def warped_grid(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return voxel coordinates [3, k, j, i] centred on the volume, rotated a little and bent by smooth noise."""
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    tilt = _rotation(rng, 0.45)
    grid = np.einsum("ab,bkji->akji", tilt, grid).astype(np.float32)
    amplitude = size * rng.uniform(0.01, 0.05)
    for component in grid:
        component += amplitude * smooth_noise(rng, size, int(rng.integers(3, 7)))
    return grid


def _rotation(rng: np.random.Generator, max_radians: float) -> np.ndarray:
    """A rotation matrix [3, 3]: around any axis, by up to so much."""
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = rng.uniform(-max_radians, max_radians)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


# ------------------------------------------------------------------------------------------------ signed distances


def _ellipsoid(p: np.ndarray, centre: Vector, radii: Vector) -> Distance:
    radii = np.asarray(radii, dtype=np.float32)
    q = np.sqrt(sum(((p[a] - centre[a]) / radii[a]) ** 2 for a in range(3)))
    return (q - 1) * radii.min()


def capsule(
    p: np.ndarray | Sequence[np.ndarray],
    start: Vector,
    end: Vector,
    radius_start: float,
    radius_end: float | None = None,
) -> Distance:
    """Return the signed distance of a rod with round ends.

    Args:
        p: coordinates [3, k, j, i].
        start: coordinates of one end.
        end: coordinates of the other.
        radius_start: at the start.
        radius_end: at the end; None: the same.
    """
    start, end = np.asarray(start, dtype=np.float32), np.asarray(end, dtype=np.float32)
    along = end - start
    offset = [p[a] - start[a] for a in range(3)]
    t = np.clip(sum(offset[a] * along[a] for a in range(3)) / max(float(along @ along), 1e-6), 0, 1)
    gap = np.sqrt(sum((offset[a] - t * along[a]) ** 2 for a in range(3)))
    return gap - (radius_start + t * ((radius_end or radius_start) - radius_start))


def _cylinder(p: np.ndarray, centre: Vector, half_height: float, radii: Vector, waist: float) -> Distance:
    """A barrel along axis 0, narrower at half height by `waist` voxels, with rounded edges."""
    z, y, x = (p[a] - centre[a] for a in range(3))
    radius_j, radius_i = radii
    radius = min(radius_j, radius_i)
    side = (np.sqrt((y / radius_j) ** 2 + (x / radius_i) ** 2) - 1) * radius
    side = side + waist * (1 - (z / half_height) ** 2).clip(0)
    top = np.abs(z) - half_height
    return np.minimum(np.maximum(side, top), 0) + np.sqrt(side.clip(0) ** 2 + top.clip(0) ** 2)


def union(distances: Sequence[Distance], smooth: float) -> Distance:
    """Return the smooth union (polynomial): the joint between the parts is rounded over `smooth` voxels."""
    result = distances[0]
    for distance in distances[1:]:
        blend = (0.5 + 0.5 * (distance - result) / smooth).clip(0, 1)
        result = distance * (1 - blend) + result * blend - smooth * blend * (1 - blend)
    return result


def _column(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Touching vertebra-like objects one above the other: body, arch around a canal, processes. The phantom's."""
    height = size * rng.uniform(0.2, 0.42)
    body_half = height * rng.uniform(0.36, 0.47)
    radius_i = height * rng.uniform(0.5, 0.95)
    radius_j = radius_i * rng.uniform(0.6, 0.95)
    canal = radius_i * rng.uniform(0.35, 0.6)
    thickness = height * rng.uniform(0.06, 0.16)
    shape = rng.uniform(0.6, 1.4, 6)
    shift = rng.uniform(-0.5, 0.5) * height
    centre_j = -size * rng.uniform(0.02, 0.2)
    objects = []
    for n in range(-2, 3):
        z = n * height + shift
        if abs(z) > 0.5 * size + height:
            continue
        jitter = 1 + 0.12 * rng.standard_normal(4)
        body = _cylinder(p, (z, centre_j, 0), body_half, (radius_j * jitter[0], radius_i * jitter[1]), 0.1 * radius_i)
        arch_j = centre_j + radius_j + 0.7 * canal
        arch_z = z - 0.1 * height
        arch = _arch(p, arch_z, arch_j, canal, thickness, height)
        back = arch_j + canal + thickness
        parts = [body, arch]
        spine = back + radius_i * shape[0] * jitter[2]
        parts.append(capsule(p, (arch_z, back, 0), (arch_z - 0.4 * height * shape[1], spine, 0), 1.1 * thickness))
        for side in (-1, 1):
            root = (arch_z, arch_j + 0.3 * canal, side * (canal + thickness))
            tip = (arch_z - 0.1 * height, arch_j + canal * shape[2], side * (canal + radius_i * shape[3] * jitter[3]))
            parts.append(capsule(p, root, tip, 1.1 * thickness, 0.7 * thickness))
            for up in (-1, 1):
                facet = (arch_z + up * 0.45 * height * shape[4], arch_j + 0.6 * canal, side * (canal + thickness))
                parts.append(capsule(p, root, facet, 1.1 * thickness))
        objects.append(union(parts, 2.0))
    return objects


def _spine(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """As a column, nearer to a real one: discs of real height, concave endplates, joints, processes that hang down.

    Near its end a body is a ring around the disc, then two arcs; and the slices that show the next body still show the
    last of this object.
    """
    height = size * rng.uniform(0.2, 0.42)
    body_half = height * rng.uniform(0.36, 0.48)
    hollow = rng.uniform(0, 0.3)
    radius_i = height * rng.uniform(0.5, 0.95)
    radius_j = radius_i * rng.uniform(0.6, 0.95)
    canal = radius_i * rng.uniform(0.35, 0.6)
    thickness = height * rng.uniform(0.06, 0.16)
    shape = rng.uniform(0.6, 1.4, 5)
    hanging, drop, tall = height * rng.uniform(0, 0.3), height * rng.uniform(0.15, 0.8), rng.uniform(1, 3)
    shift = rng.uniform(-0.5, 0.5) * height
    centre_j = -size * rng.uniform(0.02, 0.2)
    objects = []
    for n in range(-2, 3):
        z = n * height + shift
        if abs(z) > 0.5 * size + height:
            continue
        jitter = 1 + 0.12 * rng.standard_normal(4)
        radii = radius_j * jitter[0], radius_i * jitter[1]
        body = _body(rng, p, (z, centre_j, 0), body_half, radii, hollow)
        arch_j = centre_j + radius_j + 0.7 * canal
        arch_z = z - hanging
        arch = _arch(p, arch_z, arch_j, canal, thickness, height)
        back = arch_j + canal + thickness
        parts = [body, arch]
        spine = back + radius_i * shape[0] * jitter[2]
        flat = np.array([p[0] / tall, p[1], p[2]])  # the spinous process is a plate
        parts.append(capsule(flat, (arch_z / tall, back, 0), ((arch_z - drop) / tall, spine, 0), 1.1 * thickness))
        for side in (-1, 1):
            root = (arch_z, arch_j + 0.3 * canal, side * (canal + thickness))
            pedicle = (z + 0.1 * height, centre_j + 0.8 * radius_j, side * (canal + thickness))
            parts.append(capsule(p, root, pedicle, 1.1 * thickness))
            tip = (arch_z - 0.1 * height, arch_j + canal * shape[2], side * (canal + radius_i * shape[3] * jitter[3]))
            parts.append(capsule(p, root, tip, 1.1 * thickness, 0.7 * thickness))
            # a joint: what reaches up lies in front of what hangs down from the next object, and to its side
            for end, j, i in (
                (z + 0.5 * height * shape[4], arch_j + 0.3 * canal, canal + 2.5 * thickness),
                (arch_z - 0.45 * height * shape[1], arch_j + 0.9 * canal, canal + 0.5 * thickness),
            ):
                parts.append(capsule(p, root, (end, j, side * i), 1.1 * thickness))
        objects.append(union(parts, 2.0))
    return objects


def _arch(p: np.ndarray, z: float, j: float, canal: float, thickness: float, height: float) -> Distance:
    """The arch of a vertebra: a ring around the canal, half as high as the vertebra."""
    ring = np.sqrt((p[1] - j) ** 2 + p[2] ** 2) - canal - thickness
    return np.sqrt(ring**2 + ((p[0] - z) * thickness / (height * 0.25)) ** 2) - thickness


def _body(
    rng: np.random.Generator, p: np.ndarray, centre: Vector, half_height: float, radii: Vector, hollow: float
) -> Distance:
    """The body of a vertebra along axis 0: waisted, a little wedged, its ends hollow by that share of the height."""
    z, y, x = (p[a] - centre[a] for a in range(3))
    y, x = y / radii[0], x / radii[1]
    around = np.sqrt(y**2 + x**2)
    side = (around - 1) * min(radii) + 0.1 * radii[1] * (1 - (z / half_height) ** 2).clip(0)
    deep = hollow * rng.uniform(0.6, 1.4, 2) * half_height
    wedge = rng.uniform(-0.12, 0.12, (2, 2)) * half_height
    bowl = (1 - around**2).clip(0)
    ends = [
        sign * z - half_height + deep[n] * bowl + wedge[n, 0] * y + wedge[n, 1] * x for n, sign in enumerate((1, -1))
    ]
    top = np.maximum(*ends)
    return np.minimum(np.maximum(side, top), 0) + np.sqrt(side.clip(0) ** 2 + top.clip(0) ** 2)


def _solids(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    objects = []
    for _ in range(int(rng.integers(3, 8))):
        centre = rng.uniform(-0.32, 0.32, 3) * size
        radii = rng.uniform(0.08, 0.3) * size * rng.uniform(0.6, 1.4, 3)
        parts = [_ellipsoid(p, centre, radii)]
        for _ in range(int(rng.integers(0, 3))):
            parts.append(_ellipsoid(p, centre + rng.uniform(-1, 1, 3) * radii, radii * rng.uniform(0.3, 0.7, 3)))
        distance = union(parts, 3.0)
        if rng.random() < 0.3:  # a canal through it
            along = rng.standard_normal(3)
            along *= size / np.linalg.norm(along)
            bore = capsule(p, centre - along, centre + along, radii.min() * rng.uniform(0.2, 0.45))
            distance = np.maximum(distance, -bore)
        objects.append(distance)
    return objects


def _tubes(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Long bones: a shaft with thicker ends, some leaving the volume, some ending in it."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        along = rng.standard_normal(3) * (1.5, 0.7, 0.7)
        along /= np.linalg.norm(along)
        middle = rng.uniform(-0.25, 0.25, 3) * size
        radius = size * rng.uniform(0.05, 0.14)
        start, end = middle - along * size * rng.uniform(0.2, 0.7), middle + along * size * rng.uniform(0.2, 0.7)
        parts = [capsule(p, start, end, radius, radius * rng.uniform(0.7, 1.3))]
        for tip in (start, end):
            knobs = rng.uniform(-1, 1, (2, 3)) * radius * 0.9
            parts += [_ellipsoid(p, tip + knob, radius * rng.uniform(0.9, 1.6, 3)) for knob in knobs]
        objects.append(union(parts, radius))
    return objects


def _shells(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Thin curved plates (skull, scapula, wing of the hip)."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        radii = size * rng.uniform(0.25, 0.5) * rng.uniform(0.7, 1.3, 3)
        centre = rng.uniform(-0.25, 0.25, 3) * size
        plate = np.abs(_ellipsoid(p, centre, radii)) - size * rng.uniform(0.02, 0.05)
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        side = sum(normal[a] * (p[a] - centre[a]) for a in range(3)) - radii.min() * rng.uniform(-0.6, 0.6)
        objects.append(np.maximum(plate, side))
    return objects


def _branches(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Arms of different length and thickness from one or two bodies."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        centre = rng.uniform(-0.25, 0.25, 3) * size
        radius = size * rng.uniform(0.06, 0.16)
        parts = [_ellipsoid(p, centre, radius * rng.uniform(0.8, 1.8, 3))]
        for _ in range(int(rng.integers(2, 6))):
            tip = centre + rng.standard_normal(3) * size * 0.22
            parts.append(capsule(p, centre, tip, radius * rng.uniform(0.3, 0.7), radius * rng.uniform(0.2, 0.6)))
        objects.append(union(parts, 3.0))
    return objects


def _ribs(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Parallel arcs that look alike, slice after slice."""
    gap = size * rng.uniform(0.14, 0.25)
    thickness = size * rng.uniform(0.025, 0.06)
    radii = size * rng.uniform(0.3, 0.5, 2)
    slope = rng.uniform(-0.6, 0.6)
    cut = rng.uniform(-0.6, 0.4) * radii[0]
    objects = []
    for n in range(-2, 3):
        z = p[0] - n * gap - slope * p[1]
        ring = (np.sqrt((p[1] / radii[0]) ** 2 + (p[2] / radii[1]) ** 2) - 1) * radii.min()
        objects.append(np.maximum(np.sqrt(ring**2 + (0.6 * z) ** 2) - thickness, cut - p[1]))
    return objects


def _beads(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Solids in a row, apart or touching, without any difference: only their order tells them apart."""
    period = size * rng.uniform(0.13, 0.32)
    half = period / 2 * rng.uniform(0.75, 1.0)
    radii = size * rng.uniform(0.07, 0.24, 2)
    start = rng.uniform(-0.5, 0.5) * period
    barrel, waist = rng.random() < 0.6, rng.uniform(0, 0.15) * radii.min()
    count = int(0.5 * size / period) + 1
    objects = []
    for n in range(-count, count + 1):
        z = n * period + start
        if abs(z) > 0.5 * size:
            continue
        if barrel:
            objects.append(_cylinder(p, (z, 0, 0), half, radii, waist))
        else:
            objects.append(_ellipsoid(p, (z, 0, 0), (half, *radii)))
    return objects


def _relays(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Like bars side by side: one ends while the next begins, or they run along together, near or touching."""
    radius = size * rng.uniform(0.04, 0.12)
    apart = radius * rng.uniform(1.0, 3.0)
    way = rng.uniform(0, np.pi)
    shift = 0.5 * apart * np.array([np.sin(way), np.cos(way)])
    end = rng.uniform(-0.25, 0.25) * size
    together = 0.0 if rng.random() < 0.5 else size * rng.uniform(0, 0.4)
    reach = size * rng.uniform(0.2, 0.6)
    first = capsule(p, (end - reach, *-shift), (end + together / 2 - radius, *-shift), radius)
    second = capsule(p, (end - together / 2 + radius, *shift), (end + reach, *shift), radius)
    objects = [first, second]
    if rng.random() < 0.4:  # a third that goes all the way
        side = 2.2 * apart * np.array([np.cos(way), -np.sin(way)])
        objects.append(capsule(p, (-size * 0.6, *side), (size * 0.6, *side), radius))
    return objects


def _slanted(rng: np.random.Generator, p: np.ndarray, size: int) -> list[Distance]:
    """Like rods in a row, all slanted: each moves to where its neighbour was, so that older slices mislead."""
    radius = size * rng.uniform(0.04, 0.1)
    apart = radius * rng.uniform(2.1, 3.5)
    way, slope = rng.uniform(0, np.pi), rng.uniform(0.3, 1.5) * rng.choice((-1, 1))
    across = np.array([np.sin(way), np.cos(way)])
    lower, upper = -size * rng.uniform(0.2, 0.6), size * rng.uniform(0.2, 0.6)
    objects = []
    for n in range(-2, 3):
        start, end = across * (n * apart + slope * lower), across * (n * apart + slope * upper)
        objects.append(capsule(p, (lower, *start), (upper, *end), radius))
    return objects


OBJECTS: dict[str, Callable[[np.random.Generator, np.ndarray, int], list[Distance]]] = {
    "column": _column,
    "spine": _spine,
    "solids": _solids,
    "tubes": _tubes,
    "shells": _shells,
    "branches": _branches,
    "ribs": _ribs,
    "beads": _beads,
    "relays": _relays,
    "slanted": _slanted,
}
