"""How many slices a run visits, and how long that takes on this machine by what was measured on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policy import MemoryPolicy, Place
from SAM2VolumeSegLib.progress import duration
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.result import Progress
from SAM2VolumeSegLib.propagation.sight import Sight, Span
from SAM2VolumeSegLib.volume import Box, SquareWindow

MIN_SLICES = 5  # a shorter run says little: loading and the first slice dominate it
NEWER = 0.5  # weight of the latest run against all before
SAMPLES = 16  # slices of a span on which the memory is counted


@dataclass(frozen=True)
class Workload:
    """What a run computes at most.

    Attributes:
        predicted: slices, over segments, axes, directions and passes. An upper bound: beyond the outermost painted
            slices a run stops where the structure does.
        encoded: slices that go through the image encoder, each once.
        memories: slices that a predicted one looks at, on average.
    """

    predicted: int
    encoded: int
    memories: float


@dataclass(frozen=True)
class Speed:
    """How fast a model is on this machine.

    Attributes:
        encode: seconds that a slice takes through the image encoder.
        predict: seconds that a prediction takes without a memory.
        memory: seconds more for each slice in memory.
    """

    encode: float
    predict: float
    memory: float

    def seconds(self, work: Workload) -> float:
        """How long a workload takes."""
        return self.encode * work.encoded + (self.predict + self.memory * work.memories) * work.predicted

    def times(self, factor: float) -> Speed:
        """All times longer by a factor."""
        return Speed(self.encode * factor, self.predict * factor, self.memory * factor)


def workload(sight: Sight, is_encoded: Callable[[PlanePictures, int], bool] | None = None) -> Workload:
    """Count what a run computes at most.

    Args:
        sight: what the model sees in it.
        is_encoded: whether what the encoder makes of a slice is at hand (`SliceTracker.is_encoded`); None: of none.

    Raises:
        InputError: as `Sight.crop`.
    """
    settings = sight.settings
    visited, memories, encoded = 0, 0.0, set()
    for segment in (name for group in sight.groups for name in group):
        for plane in sight.planes_of(segment):
            view = sight.volume.view(plane)
            order, stops = view.order, sight.stops(segment, plane)
            seen = SquareWindow.of(view, sight.crop(segment) or Box.whole(sight.volume), sight.image_size)
            prompted = [stops.number(order.index(seed.index)) for seed in sight.seeds_on(segment, plane)]
            visited += stops.span.slices
            memories += stops.span.slices * _memories(prompted, stops.span, settings.memory)
            indices = [order[position] for position in stops.positions]
            if is_encoded is not None:
                pictures = sight.pictures(segment, plane)
                indices = [index for index in indices if not is_encoded(pictures, index)]
            encoded |= {(seen, plane, index) for index in indices}  # another crop may be the same in this plane
    directions = 2 if settings.direction == "forward-backward" else 1
    return Workload(visited * directions * settings.passes, len(encoded), memories / max(visited, 1))


def _memories(prompted: Sequence[int], span: Span, policy: MemoryPolicy) -> float:
    """Slices in memory, on average: the painted ones in reach, and the recent ones."""
    sampled = span.positions[:: max(1, span.slices // SAMPLES)]
    near = [len(policy.choose(Place(now, 1, prompted, {}, span.slices)).spatial) for now in sampled]
    return sum(near) / len(near) + policy.ages


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
    """The name under which a speed is kept.

    Args:
        model_sha256: of the model's file.
        device: as `devices.describe` says it.
        input_size: pixels.
        version: of this program.
    """
    return f"{model_sha256[:16]} {device} {input_size} {version}"


def before_sentence(slices: int, device: str, seconds: float | None, measuring: bool = False) -> str:
    """What is said before a run starts.

    Args:
        slices: to be predicted at most.
        device: PyTorch's name of it.
        seconds: how long it takes; None while that is not known.
        measuring: it soon will be.
    """
    if measuring:
        then = _("How long that takes is being measured...")
    elif seconds is None:
        then = _("How long that takes has not been measured on this computer yet.")
    else:
        then = _("About {time}, measured on this computer.").format(time=duration(seconds))
    most = _("Up to {slices} slices on {device}.").format(slices=slices, device=device_text(device))
    return f"{most} {then}"


def device_text(device: str) -> str:
    """Return "cuda:0" in words."""
    if device.startswith("cuda"):
        return _("the NVIDIA graphics card")
    return _("the Apple graphics") if device.startswith("mps") else _("the processor")


def progress_sentence(progress: Progress, position: str | None, name: str) -> str:
    """What is said while a run goes on.

    Args:
        progress: where it is.
        position: of its slice, in words; None without one.
        name: of its segment.
    """
    if progress.plane is None:
        doing = _("bringing the axes together")
    else:
        doing = _("{plane} slice at {position}, {done} of {total}").format(
            plane=progress.plane.value, position=position, done=progress.done, total=progress.total
        )
    return _("{name}: {doing}. {left}").format(name=name, doing=doing, left=left_sentence(progress))


def left_sentence(progress: Progress) -> str:
    """How long a run still takes."""
    if progress.seconds_left is None:
        return _("How long it takes is not known yet.")
    return _("About {time} left.").format(time=duration(progress.seconds_left))
