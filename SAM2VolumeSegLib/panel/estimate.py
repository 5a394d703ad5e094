"""How fast models are on this machine, kept from run to run, and how that is said."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from statistics import median

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.pace import KINDS, Speed
from SAM2VolumeSegLib.progress import duration
from SAM2VolumeSegLib.propagation.result import Progress
from SAM2VolumeSegLib.propagation.workload import Workload

RUNS = 9  # values that are kept of each kind: the median of them is neither that of a busy moment, nor an old one


class Timings:
    """What was seen of the speed of models on this machine, the measurement before the first run included.

    Attributes:
        seen: by `timing_key` and kind (see `Work`), the seconds for one in each of the latest runs.
    """

    def __init__(self, seen: Mapping[str, Mapping[str, Sequence[float]]] | None = None):
        self.seen = {key: {kind: list(values) for kind, values in kinds.items()} for key, kinds in (seen or {}).items()}

    @classmethod
    def from_json(cls, text: str | None) -> Timings:
        """What `to_json` wrote. What cannot be read is left out.

        So are the three numbers that were kept for each key at first: a run that found its embeddings made, or a busy
        machine, had changed all of them by one factor.
        """
        try:
            values = json.loads(text or "{}").items()
        except (ValueError, TypeError, AttributeError):
            return cls()
        timings = cls()
        for key, kinds in values:
            if isinstance(kinds, dict):
                for kind, seconds in kinds.items():
                    for value in seconds if isinstance(seconds, list) else ():
                        timings.record(str(key), {str(kind): value})
        return timings

    def to_json(self) -> str:
        """The record as text, for the application's settings (not for a scene, which travels to other machines)."""
        return json.dumps(self.seen)

    def record(self, key: str, seen: Mapping[str, float]) -> None:
        """Keep what was measured, or what a run has shown of what it had to compute (`Segmenter.seen`)."""
        for kind, value in seen.items():
            if kind in KINDS and isinstance(value, (int, float)) and math.isfinite(value) and value >= 0:
                kept = self.seen.setdefault(key, {}).setdefault(kind, [])
                kept.append(float(f"{value:.4g}"))
                del kept[:-RUNS]

    def speed(self, key: str) -> Speed | None:
        """How fast a model is thought to be; None where it was not measured yet."""
        kinds = self.seen.get(key)
        return Speed().refined({kind: median(values) for kind, values in kinds.items()}) if kinds else None


def timing_key(model_sha256: str, device: str, input_size: int, version: str) -> str:
    """The name under which a speed is kept.

    Args:
        model_sha256: of the model's file.
        device: as `devices.describe` says it.
        input_size: pixels.
        version: of this program.
    """
    return f"{model_sha256[:16]} {device} {input_size} {version}"


def before_sentence(work: Workload, device: str, seconds: float | None, measuring: bool = False) -> str:
    """What is said before a run starts.

    Args:
        work: what it has to compute.
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
    if work.known:
        most = _("Up to {slices} slices on {device}; {known} of them are known already.")
    else:
        most = _("Up to {slices} slices on {device}.")
    most = most.format(slices=work.slices, device=device_text(device), known=work.known)
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
    if progress.plane is None and not progress.done:
        doing = _("seeing what is known already")
    elif progress.plane is None:
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
