"""Training clips: pictures of one synthetic object, cut, zoomed and windowed as the engine does with a CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from SAM2VolumeSegLib.synthetic.volumes import SyntheticVolume

STEPS = (1, 1, 1, 2, 3)
THICKNESS = (1, 1, 1, 1, 2, 3)
TINY = 0.35  # how often the object's first or last slice, whose mask is tiny, is among the prompts
ENDING = 0.7  # how often a run without a later prompt is made to pass the object's end, and learns that it is gone
GROWING = 0.6  # how often a run between prompts begins where the object does, and learns that it grows
PASSING = 0.6  # share of the run that may lie beyond the end


@dataclass(frozen=True)
class Pattern:
    """The slices of a clip in the order of propagation: prompts before, the run, prompts after.

    With passed = 0 the run begins right behind a prompt: a slice that is neither prompted nor has a tracked or prompted
    neighbour does not occur in use.

    Attributes:
        before: prompts before the run.
        after: prompts after it.
        learned: slices of the run that are learned from; they are its last ones.
        lead: slices before these, which are tracked without being learned from.
        passed: slices with which the run begins, taken as tracked already.
    """

    before: int
    after: int
    learned: int
    lead: int = 0
    passed: int = 0

    @property
    def run(self) -> int:
        """Consecutive slices between the prompts."""
        return self.passed + self.lead + self.learned

    @property
    def cost(self) -> float:
        """How much longer than a picture's encoding a clip takes, about."""
        return 1.5 * (self.before + self.after) + 2 * self.learned + 0.7 * self.lead + 0.4 * self.passed


def draw_clip(rng, volume: SyntheticVolume, pattern: Pattern, size: int):
    """Cut the slices of a pattern from one object along one axis.

    The run may pass the object's end; prompts lie on the object (rarely just beside it).

    Args:
        rng: of every random number.
        volume: that the object is drawn from.
        pattern: of the clip.
        size: side of the pictures in pixels.

    Returns:
        Pictures [T, size, size] in 0..1, masks [T, size, size] bool, slice numbers [T] ascending; None when the object
        that was drawn is too short.
    """
    boxes = [(label, box) for label, box in enumerate(ndimage.find_objects(volume.labels), 1) if box]
    # Slivers at the volume's edge teach little: larger objects are drawn more often.
    sizes = np.array([np.prod([side.stop - side.start for side in box]) for _, box in boxes]) ** 0.5
    label = boxes[rng.choice(len(boxes), p=sizes / sizes.sum())][0]
    voxels, mask = _stack(rng, volume.voxels, volume.labels == label)
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(filled):
        return None
    slices = _choose(rng, len(mask), filled[0], filled[-1], pattern)
    if slices is None:
        return None
    prompts = np.r_[slices[: pattern.before], slices[len(slices) - pattern.after :]]
    # The engine crops around what was painted: with few prompts the object may leave the crop.
    shown = mask[prompts] if rng.random() < 0.25 else mask
    footprint = _box(shown.any(axis=0)) or _box(mask.any(axis=0))
    pictures, masks = _zoom(rng, voxels[slices], mask[slices], footprint, size)
    lower, upper = _window(rng)
    return ((pictures - lower) / (upper - lower)).clamp(0, 1), masks, slices - slices[0]


def _stack(rng, voxels, mask):
    """Voxels and mask with the slices of a random axis first, and with thick voxels along a random axis."""
    axis, thick, factor = int(rng.integers(3)), int(rng.integers(3)), int(rng.choice(THICKNESS))
    voxels, mask = np.moveaxis(voxels, axis, 0), np.moveaxis(mask, axis, 0)
    if rng.random() < 0.5:  # backward propagation is forward propagation through the mirrored stack
        voxels, mask = voxels[::-1], mask[::-1]
    if factor > 1:
        voxels, mask = _partial_volume(voxels, thick, factor), _partial_volume(mask, thick, factor) >= 0.5
    # Slices that a real scan has without the ones between: thin slices, far apart.
    step = int(rng.choice(STEPS))
    return voxels[::step], mask[::step]


def _partial_volume(array, axis, factor):
    """Mean over `factor` neighbours along an axis, which becomes that much shorter."""
    count = array.shape[axis] // factor
    array = np.moveaxis(array, axis, 0)[: count * factor]
    return np.moveaxis(array.reshape(count, factor, *array.shape[1:]).mean(axis=1, dtype=np.float32), 0, axis)


def _choose(rng, count, first, last, pattern):
    """Slice numbers of a pattern in a stack of `count`, of which `first` to `last` show the object; None if too few."""
    before, after, run = pattern.before, pattern.after, pattern.run
    passing = int(PASSING * run)
    lowest, highest = max(first - 1, 0) + before, min(last + passing, count - 1) - run + 1
    if after:
        highest = min(highest, last + 1 - after - run + 1)
    if not pattern.passed:  # the prompt before it is on the object
        highest = min(highest, last + 1)
    if highest < lowest or highest + run > count:
        return None
    if not after and rng.random() < ENDING:
        lowest = max(lowest, min(last + 2 - run, highest))
    start = int(rng.integers(lowest, highest + 1))
    if after and not pattern.passed and rng.random() < GROWING:
        start = lowest + int(first > 0)
    past = np.arange(max(first - 1, 0), min(start, last + 1))
    ahead = np.arange(start + run, min(last + 2, count))
    if len(past) < before or len(ahead) < after:
        return None
    chosen = [] if pattern.passed else [start - 1]
    chosen += _some(rng, past[: len(past) - len(chosen)], before - len(chosen), first)
    return np.array([*sorted(chosen), *range(start, start + run), *sorted(_some(rng, ahead, after, last))], dtype=int)


def _some(rng, candidates, count, end):
    """Choose slices; often the object's `end` is among them."""
    if not count:
        return []
    chosen = list(rng.choice(candidates, count, replace=False))
    if end in candidates and end not in chosen and rng.random() < TINY:
        chosen[0] = end
    return chosen


def _box(mask):
    found = ndimage.find_objects(mask.astype(np.uint8))
    return found[0] if found else None


def _window(rng):
    """Limits in HU: most of the time about those of the bone window."""
    if rng.random() < 0.7:
        return rng.uniform(-170, -30), rng.uniform(750, 1050)
    lower = rng.uniform(-900, 50)
    return lower, max(rng.uniform(500, 2000), lower + 300)


def _zoom(rng, pictures, masks, footprint, size):
    """Resample a square around the object's footprint to `size` pixels, through a coarser grid as in a real CT.

    Voxels may be thick along one side, which then has fewer of them; the picture's pixels are square.
    """
    height, width = pictures.shape[1:]
    length = max(height, width)
    voxel = np.array([length / height, length / width])  # thick voxels are longer
    lower = np.array([side.start for side in footprint]) * voxel
    upper = np.array([side.stop for side in footprint]) * voxel
    extent = (upper - lower).max()
    side = extent * rng.uniform(1.1, 1.9 if rng.random() < 0.7 else 3.5) + 4
    # One crop for several structures: any of them may be small and far from its middle.
    centre = (lower + upper) / 2 + rng.uniform(-0.5, 0.5, 2) * (side - extent)
    angle = rng.uniform(-0.35, 0.35)
    turn = side / length * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn[:, ::-1].copy()
    # grid_sample wants x, y in units of half the picture
    affine = np.column_stack([turn, centre[::-1] * 2 / length - 1])
    coarse = int(np.clip(side * rng.uniform(0.4, 1.2), 24, size))
    grid = F.affine_grid(
        torch.tensor(affine, dtype=torch.float32)[None], (1, 1, 2 * coarse, 2 * coarse), align_corners=False
    )
    stack = torch.from_numpy(np.stack([pictures.astype(np.float32) + 1000, masks.astype(np.float32) * 1000], axis=1))
    # Outside of the volume there is air; coarse voxels average what they cover.
    cut = F.avg_pool2d(F.grid_sample(stack, grid.expand(len(stack), -1, -1, -1), align_corners=False), 2)
    cut[:, 1] = (cut[:, 1] >= 500).float()
    cut = F.interpolate(cut, size=(size, size), mode="bilinear", align_corners=False)
    return cut[:, 0] - 1000, cut[:, 1] >= 0.5
