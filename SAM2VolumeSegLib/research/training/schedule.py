"""What is trained when: stages counted in steps, so that a seed gives the same model wherever it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_STEPS = 100


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes:
        steps: how long it is.
        pixels: side of the pictures.
        unrolled: whether a clip is propagated slice by slice, as in use.
        rate: learning rate at its highest.
        final: learning rate at the end, as a share of the highest.
        pictures: about how many a batch holds; clips are short and many or long and few.
        frozen: whether the image encoder learns nothing, which makes a step a third shorter.
    """

    steps: int
    pixels: int
    unrolled: bool
    rate: float
    final: float = 0.02
    pictures: int = 36
    frozen: bool = False


STAGES = (
    Stage(2500, 128, False, 1e-3),
    Stage(1200, 160, True, 5e-4, final=0.5),
    Stage(400, 160, True, 3e-4, final=0.7, frozen=True),
    Stage(800, 160, True, 3e-4),
)


def total_steps(stages=STAGES) -> int:
    """How many steps all stages take."""
    return sum(stage.steps for stage in stages)


def at_step(step: int, stages=STAGES) -> tuple[Stage, float]:
    """Return the stage of a step and the learning rate there: warm up, then half a cosine.

    Args:
        step: counted from 0 over all stages.
        stages: in their order.

    Raises:
        ValueError: the step is beyond the last stage.
    """
    for stage in stages:
        if step < stage.steps:
            warm = min(1.0, (step + 1) / WARM_STEPS)
            fall = 0.5 * (1 + math.cos(math.pi * step / stage.steps))
            return stage, stage.rate * warm * (stage.final + (1 - stage.final) * fall)
        step -= stage.steps
    raise ValueError("the step is beyond the last stage")
