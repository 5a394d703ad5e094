"""What one axis says of one slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from SAM2VolumeSegLib.model.network import SlicePrediction
from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT

if TYPE_CHECKING:
    import torch


class Moments(NamedTuple):
    """Means of logits, and of their squares: from both follows how far votes disagree. Float32 of one shape."""

    means: np.ndarray
    squares: np.ndarray


def _mean_squares(logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean over the second axis, float32 [N, ...] of [N, D, ...]."""
    shares = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.einsum("nd,nd...,nd...->n...", shares, logits, logits)


@dataclass(frozen=True, eq=False)
class Found:
    """What is kept of a single prediction (B = 1), on its device.

    Attributes:
        logits: [1, 1, s, s].
        confidence: [1], 0..1: the predicted overlap times the probability that the structure is there.
    """

    logits: torch.Tensor
    confidence: torch.Tensor

    @classmethod
    def of(cls, prediction: SlicePrediction) -> Found:
        """What is kept of a prediction."""
        return cls(prediction.logits, prediction.iou.clamp(0, 1) * prediction.object_score.sigmoid())


@dataclass(frozen=True, eq=False)
class Vote:
    """Of one slice, what the directions that reached it found.

    Attributes:
        logits: float32 [D, s, s] of D directions.
        confidence: 0..1.
        weights: Of each direction, when they are averaged.
    """

    logits: np.ndarray
    confidence: float
    weights: tuple[float, ...] = (1.0,)

    @classmethod
    def of_all(cls, found: Sequence[Found]) -> list[Vote]:
        """The votes of many predictions, read at once: a GPU has to be waited for to read anything."""
        import torch

        if not found:
            return []
        logits = torch.cat([one.logits for one in found]).cpu().numpy()
        confidence = torch.cat([one.confidence for one in found]).cpu().tolist()
        return [cls(*one) for one in zip(logits, confidence, strict=True)]

    @property
    def weight(self) -> float:
        """How much it counts beside other axes."""
        return float(np.mean(self.weights))

    @staticmethod
    def means(votes: Sequence[Vote], sample: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Moments:
        """The mean of the directions within LOGIT_LIMIT, and of their squares, of votes from as many directions each.

        Clamped only after sampling: the boundary lies where interpolated logits are 0, and where those inside and
        outside are of different size, clamping them first would move it, by up to half a pixel of the logits.

        Args:
            votes: N of them.
            sample: Brings logits [..., s, s] to another grid.

        Returns:
            Each float32 [N, ...].
        """
        clamped = np.clip(sample(np.stack([vote.logits for vote in votes])), -LOGIT_LIMIT, LOGIT_LIMIT)
        weights = np.array([vote.weights for vote in votes])  # [N, D]
        total = sum(clamped[:, n] * weights[:, n, None, None] for n in range(weights.shape[1]))
        means = (total / weights.sum(axis=1)[:, None, None]).astype(np.float32)
        return Moments(means, _mean_squares(clamped, weights))

    def mean(self) -> np.ndarray:
        """The mean of the directions of this one alone, [s, s]."""
        return self.means([self]).means[0]

    def mask(self, size: int) -> np.ndarray:
        """The vote as a mask of the model's input size, bool [size, size]."""
        enlarge = size // self.logits.shape[-1]
        return np.kron(self.mean() > 0, np.ones((enlarge, enlarge), dtype=bool))


def average(directions: Sequence[Mapping[int, Vote]]) -> dict[int, Vote]:
    """Bring the directions of one axis together.

    Args:
        directions: Votes by position, of each direction.

    Returns:
        By position, the vote of those that reached it, with their mean confidence.
    """
    result = {}
    for position in sorted(set().union(*directions)):
        votes = [votes[position] for votes in directions if position in votes]
        weights = tuple(weight for vote in votes for weight in vote.weights)
        confidence = np.average([vote.confidence for vote in votes], weights=weights)
        result[position] = Vote(np.concatenate([vote.logits for vote in votes]), float(confidence), weights)
    return result
