"""The paper's memory: volume-aware choices of prompted and recent slices (its section II-D)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policy import (
    OLDEST,
    PROMPT,
    SAM2_LIMITS,
    Memories,
    MemoryLimits,
    Place,
    known_values,
)

STRIDES = (1, 2, 4)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True)
class VolumeMemory:
    """The choices of the paper; the defaults are its best ("IS + SPS").

    Attributes:
        radius: SPS. Prompted slices further away than this share of the stack are left out (0.1 ... 1.0); None keeps
            all. When none is in reach, the nearest one stays.
        recent: How many of the slices just passed are remembered; SAM2's own networks know up to 6.
        embeddings: "sam2" gives each recent slice the embedding of its age; "is" gives the most recent one the first,
            and the one before it the last (the two that differ most), and so needs recent <= 2.
        stride: 1, 2 or 4. Beyond the slice just passed, only every stride-th slice is remembered (SAM2's
            `memory_temporal_stride_for_eval`).
        gate: 0 is off. A number replaces the most recent slices by that many most confident ones of all slices tracked
            so far.

    Raises:
        InputError: A value is outside of these ranges.
    """

    kind: ClassVar[str] = "volume"

    radius: float | None = 0.3
    recent: int = 2
    embeddings: str = "is"
    stride: int = 1
    gate: int = 0

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 < self.radius <= 1:
            raise InputError(
                _("The SPS radius is {radius}; it must be above 0 and at most 1 (the paper's best: 0.3).").format(
                    radius=self.radius
                )
            )
        if not _is_count(self.recent):
            raise InputError(
                _("The number of recent slices is {recent}; it must be 0 or more.").format(recent=self.recent)
            )
        if not _is_count(self.gate):
            raise InputError(_("The gate is {gate}; it must be 0 (off) or more.").format(gate=self.gate))
        if self.stride not in STRIDES:
            raise InputError(_("The memory stride is {stride}; it must be 1, 2 or 4.").format(stride=self.stride))
        if self.embeddings not in ("sam2", "is"):
            raise InputError(
                _("The temporal embeddings are '{embeddings}'; they must be 'sam2' or 'is'.").format(
                    embeddings=self.embeddings
                )
            )
        if self.embeddings == "is" and self.ages > 2:
            raise InputError(
                _(
                    "IS has an embedding for two recent slices only: keep at most 2 recent slices "
                    "(and a gate of at most "
                    "2), or choose the embeddings of SAM2."
                )
            )

    @property
    def needs(self) -> frozenset[str]:
        """Only a gate asks for anything."""
        return frozenset({"confidence"} if self.gate else ())

    @property
    def ages(self) -> int:
        """How many recent slices it needs embeddings for."""
        return self.gate or self.recent

    def reach(self, limits: MemoryLimits) -> int | None:
        """How many slices ago a tracked slice can have been passed, to be looked at; None: any number."""
        return None if self.gate else max(limits.pointers - 1, 1 + self.recent * self.stride)

    def choose(self, place: Place) -> Memories:
        """Choose what a slice looks at; with `STOCK`, as SAM2Base._prepare_memory_conditioned_features does."""
        near = self._near(place)
        # As in SAM2, a prompted slice that is left out still counts as a recent slice if it is one.
        passed = place.tracked.keys() | (set(place.prompted) - set(near))
        spatial = [(position, PROMPT) for position in near]
        spatial += self._confident(place) if self.gate else self._recent(place, passed)
        pointers = [(position, place.ago(position)) for position in near if place.ago(position) >= 0]
        for ago in range(1, place.limits.furthest_pointer(place.num_slices) + 1):
            if place.position - ago * place.step in passed:
                pointers.append((place.position - ago * place.step, ago))
        return Memories(tuple(spatial), tuple(pointers))

    def to_dict(self) -> dict[str, Any]:
        """Its values. Without its kind, which is that of any record without one: those of the study have none."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VolumeMemory:
        """See `MemoryPolicy.from_dict`."""
        return cls(**known_values(cls, values))

    def _near(self, place: Place) -> Sequence[int]:
        """Positions of the prompts in reach, in order."""
        prompted = sorted(place.prompted)
        if self.radius is None:
            return prompted
        # Not radius * num_slices: 0.7 * 90 is just below 63 in floating point, and a prompt at the radius would go.
        near = [p for p in prompted if abs(place.position - p) / place.num_slices <= self.radius]
        # On a tie the one already passed stays: its neighbours have been tracked.
        return near or sorted(prompted, key=lambda p: (abs(place.position - p), -place.ago(p)))[:1]

    def _recent(self, place: Place, passed: Collection[int]) -> list[tuple[int, int]]:
        """The slices just passed, the oldest first."""
        chosen = []
        for age in range(self.recent, 0, -1):
            if age == 1:
                position = place.position - place.step
            else:
                # SAM2 counts the strided slices from a fixed grid, so that they do not move with every slice.
                grid = (place.position * place.step - 2) // self.stride * self.stride - (age - 2) * self.stride
                position = grid * place.step
            if position in passed:
                chosen.append((position, self._embedding(age)))
        return chosen

    def _confident(self, place: Place) -> list[tuple[int, int]]:
        """The most confident slices, the furthest first."""

        def distance(position: int) -> int:
            return abs(place.position - position)

        best = sorted(place.tracked, key=lambda p: (-place.tracked[p].confidence, distance(p)))[: self.gate]
        return [(position, self._embedding(n)) for n, position in enumerate(sorted(best, key=distance), start=1)][::-1]

    def _embedding(self, age: int) -> int:
        """The age under which the slice of that rank is looked at."""
        return (1, OLDEST)[age - 1] if self.embeddings == "is" else age


def stock(limits: MemoryLimits) -> VolumeMemory:
    """SAM2 as it comes: every prompted slice, and as many recent ones as the network has embeddings for."""
    return VolumeMemory(radius=None, recent=limits.ages, embeddings="sam2")


STOCK = stock(SAM2_LIMITS)
"""That of Meta's networks: the last six slices."""
