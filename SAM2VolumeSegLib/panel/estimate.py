"""How many slices a run visits, and how long that takes on this machine by what was measured on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from SAM2VolumeSegLib.model.policy import MemoryPolicy
from SAM2VolumeSegLib.panel.choices import Choices, memory_of, planes_of
from SAM2VolumeSegLib.progress import duration
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

MIN_SLICES = 5  # a shorter run says little: loading and the first slice dominate it
NEWER = 0.5  # weight of the latest run against all before
SAMPLES = 16  # slices of a span on which the memory is counted


@dataclass(frozen=True)
class Workload:
    """What a run computes at most.

    predicted: slices, over segments, axes, directions and passes; encoded: slices that go through the image encoder,
    each once; memories: slices that a predicted one looks at, on average.
    """

    predicted: int
    encoded: int
    memories: float


@dataclass(frozen=True)
class Speed:
    """Seconds that one slice takes: through the image encoder; predicted, without and for each slice in memory."""

    encode: float
    predict: float
    memory: float

    def seconds(self, work: Workload) -> float:
        """How long a workload takes."""
        return self.encode * work.encoded + (self.predict + self.memory * work.memories) * work.predicted

    def times(self, factor: float) -> Speed:
        """All times longer by a factor."""
        return Speed(self.encode * factor, self.predict * factor, self.memory * factor)


def workload(
    seeds: Mapping[str, Sequence[SeedSlice]],
    volume: Volume,
    choices: Choices,
    is_encoded: Callable[[str, Plane, int], bool] = lambda segment, plane, index: False,
) -> Workload:
    """What a run computes at most (see `count_slices`). is_encoded: which slices of a segment's crop are at hand.

    Raises InputError when every axis is off, or for a memory whose choices do not go together.
    """
    policy, directions = memory_of(choices), 2 if choices.direction.value == "forward-backward" else 1
    visited, memories, encoded = 0, 0.0, set()
    for segment, own in seeds.items():
        for plane in (Plane(name) for name in planes_of(choices)):
            span = _span(own, volume, plane, choices.extend)
            visited += len(span)
            memories += len(span) * _memories([seed.index for seed in own if seed.plane is plane], span, policy)
            crop = segment if choices.cropEach else ""
            encoded |= {(crop, plane, n) for n in span if not is_encoded(segment, plane, n)}
    return Workload(visited * directions * choices.passes, len(encoded), memories / max(visited, 1))


def count_slices(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume, choices: Choices) -> int:
    """Slices that a run predicts at most, over segments, axes, directions and passes.

    Between the first and the last seed of an axis; to the volume's ends with `extend` or a single painted slice, which
    is an upper bound, as a run stops where the structure does. Raises InputError as `workload`.
    """
    return workload(seeds, volume, choices).predicted


def _span(seeds: Iterable[SeedSlice], volume: Volume, plane: Plane, extend: bool) -> range:
    own = {seed.index: seed.absent for seed in seeds if seed.plane is plane}
    painted = [index for index, absent in own.items() if not absent]
    if not painted:
        return range(0)
    first, last = min(own), max(own)
    if extend or len(painted) == 1:
        first = first if own[first] else 0
        last = last if own[last] else volume.view(plane).count - 1
    return range(first, last + 1)


def _memories(prompted: Sequence[int], span: range, policy: MemoryPolicy) -> float:
    """Slices in memory, on average: the painted ones in reach, and the recent ones."""
    if not span:
        return 0.0
    sampled = span[:: max(1, len(span) // SAMPLES)]
    near = [len(policy.choose(now, 1, prompted, {}, len(span)).spatial) for now in sampled]
    return sum(near) / len(near) + (policy.gate or policy.recent)


class Timings:
    """The speeds that were measured on this machine, by `timing_key`."""

    def __init__(self, speeds: Mapping[str, Speed] | None = None):
        self.speeds = dict(speeds or {})

    @classmethod
    def from_json(cls, text: str | None) -> Timings:
        """What `to_json` wrote; what cannot be read (another version's) is left out."""
        try:
            values = json.loads(text or "{}").items()
        except (ValueError, TypeError, AttributeError):
            return cls()
        speeds = {}
        for key, value in values:
            try:
                speed = Speed(*map(float, value))
            except (TypeError, ValueError):
                continue
            if speed.encode > 0 and speed.predict > 0 and speed.memory >= 0:
                speeds[str(key)] = speed
        return cls(speeds)

    def to_json(self) -> str:
        """The record as text, for the application's settings (not for a scene, which travels to other machines)."""
        return json.dumps({key: [speed.encode, speed.predict, speed.memory] for key, speed in self.speeds.items()})

    def record(self, key: str, speed: Speed) -> None:
        """Keep what `measure.measure` found."""
        self.speeds[key] = speed

    def refine(self, key: str, work: Workload, seconds: float) -> None:
        """Let a run correct the measurement: what it really computed, and how long it took. Short runs do not count."""
        speed = self.speeds.get(key)
        if speed is None or work.predicted < MIN_SLICES or seconds <= 0:
            return
        self.speeds[key] = speed.times(NEWER * seconds / speed.seconds(work) + (1 - NEWER))

    def predict(self, key: str, work: Workload) -> float | None:
        """Seconds for a workload; None when nothing was measured yet."""
        speed = self.speeds.get(key)
        return None if speed is None else speed.seconds(work)


def timing_key(model_sha256: str, device: str, input_size: int, version: str) -> str:
    """The name under which a speed is kept. device: `devices.describe`; version: of this program."""
    return f"{model_sha256[:16]} {device} {input_size} {version}"


def before_sentence(slices: int, device: str, seconds: float | None, measuring: bool = False) -> str:
    """What is said before a run starts. seconds: None while they are not known; measuring: they soon will be."""
    text = f"Up to {slices} slices on {device_text(device)}."
    if measuring:
        return f"{text} How long that takes is being measured..."
    if seconds is None:
        return f"{text} How long that takes has not been measured on this computer yet."
    return f"{text} About {duration(seconds)}, measured on this computer."


def device_text(device: str) -> str:
    """ "cuda:0" in words."""
    if device.startswith("cuda"):
        return "the NVIDIA graphics card"
    return "the Apple graphics" if device.startswith("mps") else "the processor (slow for large models)"


def progress_sentence(progress, position: str | None, name: str) -> str:
    """What is said while a run goes on. progress: segment.Progress; position: of its slice, None without one; name: of
    its segment."""
    if progress.plane is None:
        doing = "bringing the axes together"
    else:
        doing = f"{progress.plane.value} slice at {position}, {progress.done} of {progress.total}"
    return f"{name}: {doing}. {left_sentence(progress)}"


def left_sentence(progress) -> str:
    """How long a run still takes. progress: segment.Progress."""
    if progress.seconds_left is None:
        return "How long it takes is not known yet."
    return f"About {duration(progress.seconds_left)} left."
