"""What is remembered of this computer, in the user's settings and not in a scene, which travels to others."""

import json
from importlib import metadata

import slicer

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate

MODEL_KEY, PLANS_KEY, TIMINGS_KEY = "SAM2VolumeSeg/Model", "SAM2VolumeSeg/Plans", "SAM2VolumeSeg/Timings"


class Remembered:
    """Which model was chosen last, how fast models are here, and on what they run."""

    def model(self):
        """The value of the `ModelChoice` that was kept last; None: none was."""
        return slicer.app.userSettings().value(MODEL_KEY)

    def keepModel(self, choices):
        """Let the next scene begin with the chosen model; a file of one's own belongs to its scene."""
        if choices is not None and choices.model is not ch.ModelChoice.OWN:
            slicer.app.userSettings().setValue(MODEL_KEY, choices.model.value)

    def timings(self):
        """How fast models are."""
        return estimate.Timings.from_json(slicer.app.userSettings().value(TIMINGS_KEY))

    def keep(self, timings):
        """Keep timings in place of those that are there."""
        slicer.app.userSettings().setValue(TIMINGS_KEY, timings.to_json())

    def record(self, key, seen):
        """Keep what a measurement or a run has shown, see `Timings.record`."""
        timings = self.timings()
        timings.record(key, seen)
        self.keep(timings)

    def plan(self, choices):
        """What `SAM2VolumeSegLogic.devicePlan` found in an earlier session, with the same PyTorch; None: nothing.

        So the time of a run can be told before PyTorch is loaded, which takes seconds.
        """
        found = self._plans().get(_name(choices))
        return tuple(found) if isinstance(found, list) and len(found) == 4 else None

    def keepPlan(self, choices, plan):
        """Keep what was found now."""
        plans = self._plans() | {_name(choices): plan}
        slicer.app.userSettings().setValue(PLANS_KEY, json.dumps(plans))

    def _plans(self):
        try:
            plans = json.loads(slicer.app.userSettings().value(PLANS_KEY) or "{}")
        except (TypeError, ValueError):
            return {}
        return plans if isinstance(plans, dict) else {}


def _name(choices):
    """Of all that decides about a plan."""
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = ""
    wanted = [choices.model.value, choices.device.value, choices.inputSize.value, torch, __version__]
    if choices.model is ch.ModelChoice.OWN:
        wanted += [choices.ownCheckpoint, choices.ownArchitecture]
    return " ".join(map(str, wanted))
