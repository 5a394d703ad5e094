"""What the user gave: painted slices found in a mask, and the paper's simulated ones. No torch here."""

from SAM2VolumeSegLib.seeds.choose import Marks, SlicePlace, add_absent, parse_slice, typed_marks, typed_slice
from SAM2VolumeSegLib.seeds.correct import correct_seeds
from SAM2VolumeSegLib.seeds.find import find_seeds, uncounted_ends
from SAM2VolumeSegLib.seeds.painted import is_painted, painted_box
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, area_text, describe, paint_seeds, point_text, position_text
from SAM2VolumeSegLib.seeds.simulate import STRATEGIES, simulate_seeds

__all__ = [
    "STRATEGIES",
    "Marks",
    "SeedSlice",
    "SlicePlace",
    "add_absent",
    "area_text",
    "correct_seeds",
    "describe",
    "find_seeds",
    "is_painted",
    "paint_seeds",
    "painted_box",
    "parse_slice",
    "point_text",
    "position_text",
    "simulate_seeds",
    "typed_marks",
    "typed_slice",
    "uncounted_ends",
]
