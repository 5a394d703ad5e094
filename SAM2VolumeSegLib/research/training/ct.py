"""Synthetic CTs for training: more shapes than the phantoms have, and what makes a real CT hard."""

from __future__ import annotations

import numpy as np

from SAM2VolumeSegLib.research.training.look import paint
from SAM2VolumeSegLib.synthetic.shapes import OBJECTS, warped_grid
from SAM2VolumeSegLib.synthetic.volumes import SyntheticVolume, assemble, turned

SHARES = {
    "spine": 0.36,
    "column": 0.04,
    "beads": 0.12,
    "relays": 0.06,
    "slanted": 0.08,
    "solids": 0.06,
    "tubes": 0.08,
    "shells": 0.06,
    "branches": 0.08,
    "ribs": 0.06,
}


def make_ct(rng: np.random.Generator, size: int = 96, kind: str | None = None) -> SyntheticVolume:
    """Make a cube.

    Beads are alike but for their place, relays end where a like one begins, slanted rods move to where their neighbours
    were: there only memory tells objects apart. A quarter of the volumes hold the objects of a second kind as well,
    which may touch those of the first.

    Args:
        rng: of every random number.
        size: voxels of a side.
        kind: one of SHARES; None: drawn by its share.
    """
    kinds, shares = list(SHARES), list(SHARES.values())
    points = warped_grid(rng, size)
    distances = OBJECTS[kind or rng.choice(kinds, p=shares)](rng, points, size)
    if rng.random() < 0.25:
        shift = rng.uniform(-0.3, 0.3, 3).astype(np.float32)[:, None, None, None] * size
        distances += OBJECTS[rng.choice(kinds[kinds.index("solids") :])](rng, points + shift, size)
    labels, depth, gap = assemble(rng, distances)
    return turned(rng, paint(rng, labels, depth, gap, points), labels)
