"""What the user gave: painted slices found in a mask, and the paper's simulated ones. No torch here."""

from SAM2VolumeSegLib.seeds.choose import add_absent, marked_seeds, parse_slice, skip_seeds
from SAM2VolumeSegLib.seeds.find import find_seeds
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, area_text, describe, paint_seeds, position_text
from SAM2VolumeSegLib.seeds.simulate import STRATEGIES, simulate_seeds

__all__ = [
    "STRATEGIES",
    "SeedSlice",
    "add_absent",
    "area_text",
    "describe",
    "find_seeds",
    "marked_seeds",
    "paint_seeds",
    "parse_slice",
    "position_text",
    "simulate_seeds",
    "skip_seeds",
]
