"""What a memory policy is: it decides which earlier slices a slice looks at. Plain Python, without torch.

Positions are those of slices along the axis, 0 ... num_slices - 1. A memory is looked at under an *age*: the temporal
embedding that the network learned for slices so many ago. Two ages are no numbers of slices: `PROMPT` is for given
masks, which have no age, and `OLDEST` for the oldest slice that the network has an embedding for.

A new policy is a class in a file of its own, named in `policies.KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _

PROMPT = 0
OLDEST = -1


@dataclass(frozen=True)
class MemoryLimits:
    """What a network can look at; every network says its own.

    Attributes:
        ages: Recent slices that it has temporal embeddings for: ages 1 (the slice just passed) to `ages`.
        pointers: Length of the stack, in slices, over which it looks at object pointers, the present slice included.
    """

    ages: int
    pointers: int

    def furthest_pointer(self, num_slices: int) -> int:
        """How many slices ago the oldest pointer is in a stack of `num_slices`."""
        return min(num_slices, self.pointers) - 1


SAM2_LIMITS = MemoryLimits(ages=6, pointers=16)
"""Those of all networks that Meta published as SAM 2 and 2.1, and of the demo model."""


@dataclass(frozen=True)
class SliceFacts:
    """What a policy is told of a slice that was tracked; NaN is what it did not ask for (see `MemoryPolicy.needs`).

    Attributes:
        confidence: The network's own estimate of the overlap times the probability that the structure is there, 0..1.
        area: Share of the picture that the mask covers, 0..1.
    """

    confidence: float = math.nan
    area: float = math.nan


@dataclass(frozen=True)
class Place:
    """Where a walk is, and what lies around it: all that a policy may decide by.

    Attributes:
        position: Of the slice that is to be predicted.
        step: +1 forward, -1 backward.
        prompted: Positions with a given mask, also those not reached yet.
        tracked: Facts of the slices predicted so far, by position, in the order in which they were predicted.
        num_slices: Length of the stack, the paper's N in abs(t - p) / N.
        limits: What the network can look at.
    """

    position: int
    step: int
    prompted: Collection[int]
    tracked: Mapping[int, SliceFacts]
    num_slices: int
    limits: MemoryLimits = SAM2_LIMITS

    def ago(self, position: int) -> int:
        """How many slices ago a position was passed; negative where it lies ahead."""
        return (self.position - position) * self.step


@dataclass(frozen=True)
class Memories:
    """What a slice looks at.

    Attributes:
        spatial: (position, age), given masks first, then the oldest to the newest: in SAM2's order, because a sum of
            floats depends on it. Not empty.
        pointers: (position, slices ago).
    """

    spatial: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[int, int], ...]


@runtime_checkable
class MemoryPolicy(Protocol):
    """Decides what each slice looks at. Immutable, and equal to another one with the same values.

    Attributes:
        kind: Its name in `policies.KINDS`.
    """

    kind: ClassVar[str]

    @property
    def needs(self) -> frozenset[str]:
        """Names of the `SliceFacts` that it asks for.

        Only those are read from the device: a GPU has to be waited for to read anything, on every slice.
        """
        ...

    @property
    def ages(self) -> int:
        """How many recent slices it needs temporal embeddings for."""
        ...

    def reach(self, limits: MemoryLimits) -> int | None:
        """How many slices ago a tracked slice can have been passed, to be looked at; None: any number."""
        ...

    def choose(self, place: Place) -> Memories:
        """Choose what the slice at `place` looks at."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold, with its `kind`; `policies.policy_from_dict` reads them."""
        ...

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MemoryPolicy:
        """A policy from the values of `to_dict`, without the kind; what is missing has its default.

        Raises:
            InputError: There is no setting of a name, or a value is out of range.
        """
        ...


def check_fits(policy: MemoryPolicy, limits: MemoryLimits, model: str) -> None:
    """Refuse a policy that asks for more than the network of `model` has.

    Raises:
        InputError: It needs more recent slices than there are embeddings for.
        ValueError: A mistake in the policy: it needs something that `SliceFacts` does not have.
    """
    if unknown := policy.needs - {field.name for field in fields(SliceFacts)}:
        raise ValueError(f"The memory policy '{policy.kind}' needs {sorted(unknown)}, which SliceFacts does not have.")
    if policy.ages > limits.ages:
        raise InputError(
            _(
                "The memory asks for {wanted} recent slices, but the model '{model}' was trained with {available}: "
                "keep at most {available}, or choose another model."
            ).format(wanted=policy.ages, model=model, available=limits.ages)
        )


def check_chosen(chosen: Memories, place: Place, kind: str) -> None:
    """Refuse a choice that no network can look at, before it ends somewhere inside of torch.

    Raises:
        ValueError: A mistake in the policy: no memory at all, one of a slice that was not passed yet, or an age that
            the network has no embedding for.
    """
    if not chosen.spatial:
        raise ValueError(f"The memory policy '{kind}' chose no memory at position {place.position}.")
    for position, _age in (*chosen.spatial, *chosen.pointers):
        if position not in place.tracked and position not in place.prompted:
            raise ValueError(
                f"The memory policy '{kind}' chose position {position} at position {place.position}, which is neither "
                "prompted nor tracked yet."
            )
    for _position, age in chosen.spatial:
        if not OLDEST <= age <= place.limits.ages:
            raise ValueError(
                f"The memory policy '{kind}' chose the age {age}, and the network knows 1 to {place.limits.ages}, "
                f"PROMPT ({PROMPT}) and OLDEST ({OLDEST})."
            )


def known_values(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for the fields of a dataclass.

    Raises:
        InputError: It has no field of a name.
    """
    unknown = set(values) - {field.name for field in fields(cls)}
    if unknown:
        raise InputError(_("There is no setting named {names}.").format(names=", ".join(sorted(unknown))))
    return dict(values)
