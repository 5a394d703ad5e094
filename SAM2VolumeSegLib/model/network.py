"""What a network is to this project: it encodes a picture, takes a given mask, and tracks a slice from memories.

`sam2_volume.VolumeSAM2` is one. A `SliceTracker` runs any other that does these three. Importing this needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from SAM2VolumeSegLib.model.policy import MemoryLimits

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class SliceMemory:
    """What later slices can look at.

    Attributes:
        features: Spatial features [B, M, h, w].
        pointer: Object pointer [B, C].
        identity: Names all that the memory was made from (model/identity.py); empty where nobody asked for it.
    """

    features: torch.Tensor
    pointer: torch.Tensor
    identity: bytes = b""


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """What the network says of B slices, on its device.

    Attributes:
        logits: Of the mask, [B, 1, s, s], where s is the input's side divided by `Network.logit_stride`.
        iou: Predicted overlap with the truth [B].
        object_score: Logit [B] that the structure is there.
        memory: What later slices can look at.
        attention: How much of its attention to memory each token got, [B, T], a row sums to 1: h * w tokens of each
            spatial memory in the query's order, then those of each pointer. None unless somebody watches.
    """

    logits: torch.Tensor
    iou: torch.Tensor
    object_score: torch.Tensor
    memory: SliceMemory
    attention: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class SliceQuery:
    """A slice to predict, and what it looks at.

    Attributes:
        index: Of the slice in the volume's array.
        spatial: (age, memory), not empty; ages as in model/policy.py.
        pointers: (slices ago, memory whose pointer counts).
        num_slices: Length of the stack.
    """

    index: int
    spatial: tuple[tuple[int, SliceMemory], ...]
    pointers: tuple[tuple[int, SliceMemory], ...]
    num_slices: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many memories and pointers it has: queries of one shape can be answered as one batch."""
        return len(self.spatial), len(self.pointers)


class Network(Protocol):
    """A video segmentation network whose memory is filled from outside. S is the side of its square input in pixels."""

    @property
    def limits(self) -> MemoryLimits:
        """What its memory can hold."""
        ...

    @property
    def logit_stride(self) -> int:
        """Pixels of the input that one logit stands for."""
        ...

    def on(self, device: torch.device) -> Network:
        """Itself, moved to a device."""
        ...

    def encode(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features of grey pictures [B, S, S] in 0..1: levels whose first axis is B, the coarsest last."""
        ...

    def prompt(self, features: list[torch.Tensor], mask: torch.Tensor) -> SlicePrediction:
        """Take given masks [B, 1, S, S] (float 0 or 1; all 0 = absent) as the answer and remember them."""
        ...

    def track(self, features: list[torch.Tensor], queries: Sequence[SliceQuery]) -> SlicePrediction:
        """Predict B slices, whose features lie along the first axis, from their queries, all of one shape."""
        ...
