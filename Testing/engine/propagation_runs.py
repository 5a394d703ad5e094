"""What the tests of a run share: a phantom with touching structures, and running a segmenter to its end."""

from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.synthetic.volumes import make_volume
from SAM2VolumeSegLib.volume import Plane, Volume

SIZE = 128  # pixels that the model sees in tests: fast, and not the demo model's own size
AXIAL = (Plane.AXIAL,)
PLANES = tuple(Plane)
BETWEEN = replace(RECOMMENDED, extend=False, edges=False, pace_mm=0.0)
"""For tests of what happens between painted slices: each slice is predicted, none beyond them, and the votes stand."""


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic CT and the structures in it by name."""

    volume: Volume
    references: dict[str, np.ndarray]

    def seeds(self, strategy="first-middle-last", planes=PLANES, names=("middle",)):
        return {name: simulate_seeds(self.references[name], self.volume, strategy, planes) for name in names}


def a_column() -> Phantom:
    """Vertebra-like structures that touch each other and the border: 28 voxels of 2 mm each way, stored as RAS."""
    made = make_volume(np.random.default_rng(0), 28, "column")
    references = {name: made.labels == label for name, label in (("above", 4), ("middle", 3), ("below", 2))}
    return Phantom(Volume(made.voxels, np.diag([2.0, 2.0, 2.0, 1.0]), "phantom"), references)


def finish(run):
    """Exhaust a run: its progress and its result."""
    steps = []
    while True:
        try:
            steps.append(next(run))
        except StopIteration as end:
            return steps, end.value


def result_of(tracker, volume, seeds, settings=None, **options):
    """The result of a run."""
    return finish(Segmenter(tracker).run(Request.of(volume, seeds, settings or Settings()), **options))[1]


def mask_of(tracker, volume, seeds, settings=None):
    """The mask of a run with one segment."""
    (segment,) = result_of(tracker, volume, seeds, settings).segments.values()
    return segment.mask
