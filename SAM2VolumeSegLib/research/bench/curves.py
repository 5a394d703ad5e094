"""Time and memory against the number of slices, the input size, the segments, and the memory tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.research.bench.cases import tubes
from SAM2VolumeSegLib.research.bench.engines import Networks
from SAM2VolumeSegLib.research.bench.measure import BenchFigures, measure

SLICES = (32, 64, 128, 256)
SEGMENTS = (1, 2, 4, 10)
RECENT = (0, 1, 2, 4, 6)
SIZES = {"demo": (96, 128, 160, 256), "tiny": (256, 512, 1024), "small": (256, 512, 1024)}
CURVE_SLICES = 32


@dataclass(frozen=True)
class Curve:
    """What was measured along one quantity.

    Attributes:
        name: of the quantity, with its unit.
        values: of it.
        rows: what was measured at each of them.
    """

    name: str
    values: tuple[int, ...]
    rows: tuple[BenchFigures, ...]


def curves(networks: Networks, repeats: int, memory: bool) -> Iterator[Curve]:
    """Measure every curve; memory is measured along slices and segments.

    Args:
        networks: of both engines.
        repeats: counted runs of each engine at each value.
        memory: whether peaks are measured.

    Yields:
        Each curve when it is done.
    """
    for name, values, make in (
        ("slices", SLICES, lambda count: (1, count)),
        ("segments", SEGMENTS, lambda count: (count, CURVE_SLICES)),
    ):
        rows = [measure(networks, tubes(*make(n)), repeats, memory, ("tubes", *make(n))) for n in values]
        yield Curve(name, values, tuple(rows))
    short, plan = tubes(1, CURVE_SLICES), networks.tracker.plan
    rows = []
    for recent in RECENT:
        # Every prompt and the last `recent` slices: stock keeps six of these, whatever we choose.
        policy = VolumeMemory(radius=None, recent=recent, embeddings="sam2")
        rows.append(measure(networks, replace(short, settings=replace(short.settings, memory=policy)), repeats))
    tokens = (plan.image_size // 16) ** 2
    yield Curve(f"memory tokens (3 prompts and recent slices, {tokens} each)", _tokens(tokens), tuple(rows))
    sizes = SIZES.get(networks.name, (plan.image_size,))
    rows = [measure(Networks.load(networks.name, str(plan.device), size), short, repeats) for size in sizes]
    yield Curve("input size in pixels", sizes, tuple(rows))


def _tokens(tokens: int) -> tuple[int, ...]:
    return tuple((3 + recent) * tokens for recent in RECENT)
