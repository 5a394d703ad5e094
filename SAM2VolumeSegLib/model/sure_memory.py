"""Memory that skips recent slices which look wrong. A prototype, to be measured.

After SAMURAI (C.-Y. Yang et al., arXiv:2411.11922; memory selection in sam2_base.py of yangchris11/samurai) and SAM 3's
tracker (`frame_filter` and `cal_mem_score` in sam3/model/sam3_tracker_base.py of facebookresearch/sam3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, ClassVar

from SAM2VolumeSegLib.model.policy import PROMPT, Memories, MemoryLimits, Place, SliceFacts, known_values
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory


@dataclass(frozen=True)
class SureMemory:
    """The paper's memory (`base`), whose recent slices are the latest that look right.

    Attributes:
        base: Chooses prompts; the number and the embeddings of recent slices.
        overlap: Predicted overlap, at least.
        presence: Probability that the structure is there, at least.
        product: SAM 3's score, above: overlap times (2 presence - 1).
        jump: How far the area may be from the median of the `usual` slices before it that look right: a share of it.
        replaced: An older slice takes the place of one that is skipped, as in both trackers; else it stays empty.
        keep_last: The slice just passed is looked at, however it looks, as in both trackers.
    """

    kind: ClassVar[str] = "sure"
    needs: ClassVar[frozenset[str]] = frozenset({"overlap", "presence", "area"})

    base: VolumeMemory = field(default_factory=VolumeMemory)
    overlap: float = 0.5
    presence: float = 0.5
    product: float = 0.0
    jump: float | None = None
    usual: int = 5
    keep_last: bool = True
    replaced: bool = True

    @property
    def ages(self) -> int:
        """How many recent slices it needs embeddings for."""
        return self.base.ages

    def reach(self, limits: MemoryLimits) -> int | None:
        """A slice that looks right can be any number of slices ago."""
        return None

    def right(self, place: Place) -> set[int]:
        """Positions of slices that look right."""
        found: set[int] = set()
        areas: list[float] = []
        for position, facts in place.tracked.items():
            if self._sure(facts) and self._fits(facts, areas):
                found.add(position)
                if facts.area > 0:
                    areas.append(facts.area)
        return found

    def _sure(self, facts: SliceFacts) -> bool:
        return (
            facts.overlap > self.overlap
            and facts.presence > self.presence
            and facts.overlap * max(0.0, 2 * facts.presence - 1) > self.product
        )

    def _fits(self, facts: SliceFacts, areas: list[float]) -> bool:
        if self.jump is None or not areas:
            return True
        typical = median(areas[-self.usual :])
        return abs(facts.area - typical) <= self.jump * typical

    def choose(self, place: Place) -> Memories:
        """What `base` chooses, but for recent slices that look wrong."""
        plain = self.base.choose(place)
        last = place.position - place.step
        right = self.right(place)
        given = [memory for memory in plain.spatial if memory[1] == PROMPT]
        near = {position for position, _ in given}
        passed = [p for p in (*place.tracked, *place.prompted) if place.ago(p) > 0 and p not in near]
        kept = [p for p in passed if p in place.prompted or p in right or (self.keep_last and p == last)]
        kept = sorted(set(kept), key=place.ago)[: self.base.recent]
        if not self.replaced:
            wrong = {p for p in place.tracked if p not in right} - ({last} if self.keep_last else set())
            return Memories(
                tuple(memory for memory in plain.spatial if memory[0] not in wrong),
                tuple(memory for memory in plain.pointers if memory[0] not in wrong),
            )
        recent = [(p, self.base._embedding(n)) for n, p in enumerate(kept, start=1)][::-1]
        pointers = [
            (p, ago) for p, ago in plain.pointers if p in place.prompted or p in right or (self.keep_last and p == last)
        ]
        return Memories((*given, *recent), tuple(pointers))

    def to_dict(self) -> dict[str, Any]:
        """Its values and its kind."""
        return {"kind": self.kind} | asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SureMemory:
        """See `MemoryPolicy.from_dict`."""
        values = known_values(cls, values)
        if "base" in values:
            values["base"] = VolumeMemory.from_dict({k: v for k, v in values["base"].items() if k != "kind"})
        return cls(**values)
