"""Which slices a slice may look at, and with which temporal embedding: the paper's contribution, in plain Python.

Slices are numbered along the direction of the stack (0 ... num_slices - 1). Rows are those of SAM2's
`maskmem_tpos_enc` (sam2 1.1.0, num_maskmem = 7): 0 belongs to the slice just before, 5 to the oldest of six, 6 to
prompted slices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from SAM2VolumeSegLib.errors import InputError

MAX_RECENT = 6
MAX_POINTERS = 16  # SAM2Base.max_obj_ptrs_in_encoder
PROMPT_ROW = 6
STRIDES = (1, 2, 4)


@dataclass(frozen=True)
class Memories:
    """The answer of a policy for one slice.

    spatial: (slice, row of the temporal embedding), prompted slices first, then the oldest to the newest: in SAM2's
    order, because a sum of floats depends on it; pointers: (slice, slices ago).
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class MemoryPolicy:
    """The choices of the paper's section II-D; the defaults are its best ("IS + SPS").

    radius: SPS. Prompted slices further away than this share of the stack are left out (0.1 ... 1.0); None keeps all.
        When none is in reach, the nearest one stays.
    recent: how many of the slices just passed are remembered, 0 to 6.
    embeddings: "sam2" gives each recent slice the embedding of its age; "is" gives the most recent one the first, and
        the one before it the last (the two that differ most), and so needs recent <= 2.
    stride: 1, 2 or 4. Beyond the slice just passed, only every stride-th slice is remembered
        (SAM2's `memory_temporal_stride_for_eval`).
    gate: 0 is off. 1 to 6 replaces the most recent slices by the most confident ones of all slices tracked so far.

    Raises InputError for a value outside these ranges.
    """

    radius: float | None = 0.3
    recent: int = 2
    embeddings: str = "is"
    stride: int = 1
    gate: int = 0

    def __post_init__(self):
        if self.radius is not None and not 0 < self.radius <= 1:
            raise InputError(
                f"The SPS radius is {self.radius}; it must be above 0 and at most 1 (the paper's best: 0.3)."
            )
        if self.recent not in range(MAX_RECENT + 1):
            raise InputError(f"The number of recent slices is {self.recent}; it must be 0 to {MAX_RECENT}.")
        if self.gate not in range(MAX_RECENT + 1):
            raise InputError(f"The gate is {self.gate}; it must be 0 (off) to {MAX_RECENT}.")
        if self.stride not in STRIDES:
            raise InputError(f"The memory stride is {self.stride}; it must be 1, 2 or 4.")
        if self.embeddings not in ("sam2", "is"):
            raise InputError(f"The temporal embeddings are '{self.embeddings}'; they must be 'sam2' or 'is'.")
        if self.embeddings == "is" and (self.gate or self.recent) > 2:
            raise InputError(
                "IS has an embedding for two recent slices only: keep at most 2 recent slices (and a gate of at most "
                "2), or choose the embeddings of SAM2."
            )

    @property
    def reach(self) -> int | None:
        """How many slices ago a slice that is not prompted can have been tracked, to be looked at; None: any number."""
        return None if self.gate else max(MAX_POINTERS - 1, 1 + self.recent * self.stride)

    def choose(
        self,
        now: int,
        step: int,
        prompted: Collection[int],
        tracked: Mapping[int, float],
        num_slices: int,
    ) -> Memories:
        """Choose what slice `now` looks at.

        step: +1 forward, -1 backward. prompted: slices with a mask of the user's. tracked: slices predicted so far,
        with their confidence (which only a gate asks for). With the policy `STOCK` this is the rule of
        SAM2Base._prepare_memory_conditioned_features.
        """
        near = self._near(now, step, sorted(prompted), num_slices)
        # As in SAM2, a prompted slice that is left out still counts as a recent slice if it is one.
        recent = {**tracked, **{slice_: 1.0 for slice_ in prompted if slice_ not in near}}
        spatial = [(slice_, PROMPT_ROW) for slice_ in near]
        spatial += self._confident(now, tracked) if self.gate else self._recent(now, step, recent)

        pointers = [(slice_, (now - slice_) * step) for slice_ in near if (now - slice_) * step >= 0]
        for ago in range(1, min(num_slices, MAX_POINTERS)):
            if now - ago * step in recent:
                pointers.append((now - ago * step, ago))
        return Memories(tuple(spatial), tuple(pointers))

    def _near(self, now, step, prompted, num_slices):
        if self.radius is None:
            return prompted
        # Not radius * num_slices: 0.7 * 90 is just below 63 in floating point, and a prompt at the radius would go.
        near = [slice_ for slice_ in prompted if abs(now - slice_) / num_slices <= self.radius]
        # On a tie the one already passed stays: its neighbours have been tracked.
        return near or sorted(prompted, key=lambda slice_: (abs(now - slice_), (slice_ - now) * step))[:1]

    def _recent(self, now, step, available):
        chosen = []
        for age in range(self.recent, 0, -1):
            if age == 1:
                slice_ = now - step
            else:
                # SAM2 counts the strided slices from a fixed grid, so that they do not move with every slice.
                grid = ((now * step - 2) // self.stride) * self.stride - (age - 2) * self.stride
                slice_ = grid * step
            if slice_ in available:
                chosen.append((slice_, self._row(age - 1)))
        return chosen

    def _confident(self, now, tracked):
        best = sorted(tracked, key=lambda slice_: (-tracked[slice_], abs(now - slice_)))[: self.gate]
        by_age = sorted(best, key=lambda slice_: abs(now - slice_))
        return [(slice_, self._row(rank)) for rank, slice_ in enumerate(by_age)][::-1]

    def _row(self, rank):
        return (0, MAX_RECENT - 1)[rank] if self.embeddings == "is" else rank


STOCK = MemoryPolicy(radius=None, recent=MAX_RECENT, embeddings="sam2")
"""SAM2 as it comes: every prompted slice and the last six."""
