"""Memory that keeps slices on which something else looked like the structure. NOT MEASURED YET on CT: off by default.

After DAM4SAM: J. Videnovic, A. Lukezic, M. Kristan, "A Distractor-Aware Memory for Visual Object Tracking with SAM2",
CVPR 2025, arXiv:2411.17576.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, ClassVar

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policy import PROMPT, Memories, MemoryLimits, Place, known_values
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory


@dataclass(frozen=True)
class DistractorAwareMemory:
    """The paper's memory (`base`), and beside it *anchors*: slices that tell the structure from a look-alike.

    The mask decoder proposes several masks for each slice, and all but the best are thrown away. Where one of these
    reaches far beyond the chosen one, there is something else that could be meant, such as the next vertebra. If the
    model is sure of its choice there all the same, and the structure has kept its size, that slice shows best what
    belongs to it and what does not: it stays in memory, as a given mask does, without an age.

    Differences from DAM4SAM: what lies beyond is counted in pixels, where it compares bounding boxes of the largest
    pieces; the recent slices are those of `base`, where it renews three of them on every fifth frame; and the painted
    slices, of which a video has one, take none of the anchors' places. Confidence counts the presence of the structure
    too. The numbers are those of its authors' code.

    Attributes:
        base: Chooses prompted and recent slices, and pointers.
        anchors: How many of the latest anchors are kept.
        beyond: How much of another candidate has to lie outside, at least: a share of the two together (0..1).
        confidence: How sure the model has to be, at least (0..1).
        area_change: How far the area may be from the usual one: a share of it.
        usual: Over how many slices before it the usual area is taken, as their median.
        apart: Slices between two anchors, at least.

    Raises:
        InputError: A value is out of range.
    """

    kind: ClassVar[str] = "distractor-aware"
    needs: ClassVar[frozenset[str]] = frozenset({"confidence", "area", "beyond"})

    base: VolumeMemory = field(default_factory=VolumeMemory)
    anchors: int = 3
    beyond: float = 0.3
    confidence: float = 0.8
    area_change: float = 0.2
    usual: int = 10
    apart: int = 5

    def __post_init__(self) -> None:
        for name in ("anchors", "usual", "apart"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InputError(
                    _("The memory's '{name}' is {value}; it must be 1 or more.").format(
                        name=name, value=getattr(self, name)
                    )
                )
        for name in ("beyond", "confidence", "area_change"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    _("The memory's '{name}' is {value}; it must lie between 0 and 1.").format(
                        name=name, value=getattr(self, name)
                    )
                )

    @property
    def ages(self) -> int:
        """How many recent slices it needs embeddings for; anchors need none."""
        return self.base.ages

    def reach(self, limits: MemoryLimits) -> int | None:
        """An anchor can be any number of slices ago."""
        return None

    def choose(self, place: Place) -> Memories:
        """What `base` chooses, and anchors between its prompted and its recent slices."""
        chosen = self.base.choose(place)
        taken = {position for position, _ in chosen.spatial}
        anchors = [(position, PROMPT) for position in self.anchors_at(place) if position not in taken]
        given = [memory for memory in chosen.spatial if memory[1] == PROMPT]
        return Memories((*given, *anchors, *chosen.spatial[len(given) :]), chosen.pointers)

    def anchors_at(self, place: Place) -> list[int]:
        """Positions of the anchors among what was tracked, the latest last."""
        found: list[int] = []
        areas: list[float] = []
        for position, facts in place.tracked.items():
            sure = facts.confidence >= self.confidence and facts.beyond >= self.beyond
            if sure and areas and not any(abs(position - other) < self.apart for other in found):
                typical = median(areas[-self.usual :])
                if abs(facts.area - typical) <= self.area_change * typical:
                    found.append(position)
            if facts.area > 0:  # where the structure is absent it has no size
                areas.append(facts.area)
        return found[-self.anchors :]

    def to_dict(self) -> dict[str, Any]:
        """Its values and its kind."""
        return {"kind": self.kind} | asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DistractorAwareMemory:
        """See `MemoryPolicy.from_dict`."""
        values = known_values(cls, values)
        if "base" in values:
            values["base"] = VolumeMemory.from_dict({k: v for k, v in values["base"].items() if k != "kind"})
        return cls(**values)
