"""How many slices a run visits, and how long that takes on this machine by what earlier runs took."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from SAM2VolumeSegLib.interactive.choices import Choices, planes_of
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

MIN_SLICES = 5  # a shorter run says little: loading and the first slice dominate it
NEWER = 0.5  # weight of the latest run against all before


def count_slices(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume, choices: Choices) -> int:
    """Slices that a run predicts at most, over segments, axes, directions and passes.

    Between the first and the last seed of an axis; to the volume's ends with `extend` or a single painted slice, which
    is an upper bound, as a run stops where the structure does. Raises InputError when every axis is off.
    """
    planes = [Plane(name) for name in planes_of(choices)]
    directions = 2 if choices.direction.value == "forward-backward" else 1
    slices = sum(_span(own, volume, plane, choices.extend) for own in seeds.values() for plane in planes)
    return slices * directions * choices.passes


def _span(seeds: Iterable[SeedSlice], volume: Volume, plane: Plane, extend: bool) -> int:
    own = {seed.index: seed.absent for seed in seeds if seed.plane is plane}
    painted = [index for index, absent in own.items() if not absent]
    if not painted:
        return 0
    first, last = min(own), max(own)
    if extend or len(painted) == 1:
        first = first if own[first] else 0
        last = last if own[last] else volume.view(plane).count - 1
    return last - first + 1


class Timings:
    """Seconds per slice measured on this machine, by model, device and input size."""

    def __init__(self, seconds: Mapping[str, float] | None = None):
        self.seconds = dict(seconds or {})

    @classmethod
    def from_json(cls, text: str | None) -> Timings:
        """What `to_json` wrote; anything else is an empty record."""
        try:
            values = json.loads(text or "{}")
            return cls({str(key): float(value) for key, value in values.items() if float(value) > 0})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> str:
        """The record as text, for the application's settings (not for a scene, which travels to other machines)."""
        return json.dumps(self.seconds)

    def record(self, key: str, slices: int, seconds: float) -> None:
        """Remember a run. Short runs are not counted."""
        if slices < MIN_SLICES or seconds <= 0:
            return
        latest = seconds / slices
        before = self.seconds.get(key)
        self.seconds[key] = latest if before is None else NEWER * latest + (1 - NEWER) * before

    def predict(self, key: str, slices: int) -> float | None:
        """Seconds for so many slices; None when nothing was measured yet."""
        each = self.seconds.get(key)
        return None if each is None else each * slices


def timing_key(model: str, device: str, input_size: int) -> str:
    """The name under which a time is remembered."""
    return f"{model} {device} {input_size}"


def before_sentence(slices: int, device: str, seconds: float | None) -> str:
    """What is said before a run starts."""
    text = f"Up to {slices} slices on {device_text(device)}."
    if seconds is None:
        return f"{text} How long this takes is shown after the first slices; it has not been measured here yet."
    return f"{text} About {duration(seconds)}, measured on this computer."


def device_text(device: str) -> str:
    """ "cuda:0" in words."""
    if device.startswith("cuda"):
        return "the NVIDIA graphics card"
    return "the Apple graphics" if device.startswith("mps") else "the processor (slow for large models)"


def progress_sentence(progress, position: str, name: str) -> str:
    """What is said while a run goes on. progress: segment.Progress; position: of its slice; name: of its segment."""
    left = duration(progress.seconds_left)
    where = f"{progress.plane.value} slice at {position}"
    return f"{name}: {where}, {progress.done} of {progress.total}. About {left} left."


def duration(seconds: float) -> str:
    """A time for people: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
