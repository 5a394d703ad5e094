"""The chance of each voxel to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.review.error_model import ErrorModel
from SAM2VolumeSegLib.review.evidence import NEAR_MM, SegmentEvidence
from SAM2VolumeSegLib.review.features import features_of
from SAM2VolumeSegLib.volume import Box, BoxMask, Volume


@dataclass(frozen=True, eq=False)
class LikelyErrors:
    """How likely each voxel of a mask is wrong.

    Attributes:
        found: the mask that is judged.
        box: voxels [k, j, i] of which something is said; it holds the mask's.
        chance: float32 0..1, on the box: 0 on painted slices, and further than 10 mm from the mask's surface.
        curable: float32 0..1, on the box: how much of an error there a slice that is painted near it takes away. Where
            the votes disagree, a further one decides; where they agree, near what is painted, it is a matter of a voxel
            at the edge. None: all of it.
    """

    found: BoxMask
    box: Box
    chance: np.ndarray
    curable: np.ndarray | None = None

    @classmethod
    def of(cls, volume: Volume, evidence: SegmentEvidence, model: ErrorModel) -> LikelyErrors:
        """What a model says of a segment."""
        features = features_of(volume, evidence)
        chance = np.zeros(features.box.shape, dtype=np.float32)
        chance[features.where] = model.chance(features.values)
        spread = evidence.on(features.box, evidence.spread, 0) / np.float32(LOGIT_LIMIT * STEPS_PER_LOGIT)
        spread = spread if spread.any() else np.ones_like(spread)  # of a single vote
        far = np.minimum(evidence.from_painted_mm(volume, features.box) / NEAR_MM, 1)
        return cls(evidence.found, features.box, chance, spread * far)

    @property
    def to_gain(self) -> np.ndarray:
        """The chance of each voxel to be wrong, and to be cured by painting near it: float32 0..1, on the box."""
        return self.chance if self.curable is None else self.chance * self.curable

    @property
    def mask(self) -> np.ndarray:
        """The mask on the box, bool."""
        return self.found.on(self.box)

    def judging(self, other: BoxMask) -> LikelyErrors:
        """What the same evidence says of another mask of the structure.

        Where both agree, a voxel is as likely wrong as it was; where they do not, as likely as this mask is right
        there; and painting near it says which of the two it is. For a segmentation that somebody else made, and for a
        result that was corrected by hand.
        """
        box = Box.around_boxes([self.box, other.trimmed().box]) if other.inside.any() else self.box
        chance = self.box.carried(self.chance, box, 0)
        differs = self.found.on(box) != other.on(box)
        chance[differs] = 1 - chance[differs]
        curable = (
            None if self.curable is None else np.where(differs, np.float32(1), self.box.carried(self.curable, box, 1))
        )
        return replace(self, found=other, box=box, chance=chance, curable=curable)


def highest_chance(errors: Sequence[LikelyErrors]) -> tuple[Box, np.ndarray]:
    """The chance that any of some segments is wrong, taken as that of the likeliest: a box and float32 on it."""
    box = Box.around_boxes([own.box for own in errors])
    chance = np.zeros(box.shape, dtype=np.float32)
    for own in errors:
        part = chance[box.index_of(own.box)]
        np.maximum(part, own.chance, out=part)
    return box, chance
