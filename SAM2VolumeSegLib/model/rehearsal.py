"""A tracker that computes nothing: what a run will have to compute is found out by rehearsing it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from SAM2VolumeSegLib.model.identity import prompt_identity
from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction, SliceQuery
from SAM2VolumeSegLib.model.pace import Work
from SAM2VolumeSegLib.model.tracker import Pictures, SliceTracker


class Rehearsal(SliceTracker):
    """Answers like a tracker, from what that one knows; what it would have to compute is counted, and taken as found.

    Identities (model/identity.py) are made from seeds and slices, without the network. So a run that is led through
    this takes the way of the real one, and shows which of its slices are known. What is not known is thought to show
    the structure, so an extension goes to its limit.

    Attributes:
        work: What would have been computed so far.
    """

    def __init__(self, tracker: SliceTracker, needs_logits: bool):
        """Nothing is loaded, nothing copied.

        Args:
            tracker: holds what is known.
            needs_logits: whether the run looks at more of an answer than whether the structure is there.
        """
        self.network, self.plan, self.name = tracker.network, tracker.plan, tracker.name
        self.checkpoint_sha256 = tracker.checkpoint_sha256
        self.cache, self.predictions = tracker.cache, tracker.predictions
        self.work = Work()
        self._encoded: set[Hashable] = set()
        self._found: set[bytes] = set()
        self._needs_logits = needs_logits
        side = self.plan.image_size // self.network.logit_stride if needs_logits else 1
        one = torch.ones(1)
        self._logits, self._sure = torch.ones(1, 1, side, side), (one, 100 * one)

    def check_finite(self, logits: Iterable[np.ndarray]) -> None:
        """Nothing was computed."""

    def prompt(self, pictures: Pictures, index: int, mask: np.ndarray) -> SlicePrediction:
        """See ``SliceTracker``."""
        identity = prompt_identity(self._key(pictures, index), mask)
        if identity not in self.predictions and identity not in self._found:
            self._take(pictures, [index], Work(prompt=1), identity)
        return self._prediction(identity)

    def recall(self, pictures: Pictures, query: SliceQuery) -> SlicePrediction | None:
        """See ``SliceTracker``."""
        identity = self._identity(pictures, query)
        if identity in self._found:
            return self._prediction(identity)
        known = super().recall(pictures, query)
        if known is None or self._needs_logits:
            return known
        return replace(known, logits=known.logits.amax(dim=(2, 3), keepdim=True))

    def track(
        self, pictures: Pictures, queries: Sequence[SliceQuery], upcoming: Sequence[int] = ()
    ) -> list[SlicePrediction]:
        """See ``SliceTracker``."""
        answers: list[SlicePrediction] = []
        for first in range(0, len(queries), self.plan.batch_size):
            batch = queries[first : first + self.plan.batch_size]
            work = Work(call=1, predict=len(batch), memory=sum(len(query.spatial) for query in batch))
            identities = [self._identity(pictures, query) for query in batch]
            self._take(pictures, [query.index for query in batch], work, *identities)
            answers += map(self._prediction, identities)
        return answers

    def _take(self, pictures: Pictures, indices: Sequence[int], work: Work, *identities: bytes) -> None:
        keys = {self._key(pictures, index) for index in indices} - self._encoded
        fresh = {key for key in keys if key not in self.cache}
        self._encoded |= fresh
        self._found.update(identities)
        self.work = self.work + work + Work(encode=len(fresh))

    def _prediction(self, identity: bytes) -> SlicePrediction:
        """As if the structure was there, without doubt."""
        iou, score = self._sure
        return SlicePrediction(self._logits, iou, score, SliceMemory(iou, iou, identity))
