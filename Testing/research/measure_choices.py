"""Measure choices from the field on the labelled CTs: Dice, HD95, contact zones. Run from the repository's folder:

    SAM2VOLUMESEG_DATA=... python Testing/research/measure_choices.py a1,a3q base,compete tptbox,thick

prints a line for each CT and choice, and at the end the difference to `base` with its interval over CTs.
"""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter
from SAM2VolumeSegLib.research.measures.metrics import METRICS, Measured
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane, read_seeds, read_volume

DATA = Path(os.environ["SAM2VOLUMESEG_DATA"])
TPTBOX = Path(importlib.util.find_spec("TPTBox").origin).parent / "tests/sample_ct"
CASES = {
    "tptbox": (
        TPTBOX / "sub-ct_label-22_ct.nii.gz",
        TPTBOX / "sub-ct_seg-vert_label-22_msk.nii.gz",
        {"L2": 21, "L3": 22, "L4": 23},
    ),
    "lumbar": (
        DATA / "spine-ct/lumbar_ct.nii.gz",
        DATA / "spine-ct/lumbar_vertebrae.nii.gz",
        {f"L{i}": 19 + i for i in range(1, 6)},
    ),
    "thick": (
        DATA / "spine-ct/thick_slices_ct.nii.gz",
        DATA / "spine-ct/thick_slices_vertebrae.nii.gz",
        {"L4": 23, "L5": 24},
    ),
    "torso": (
        DATA / "torso-ct/ct.nii.gz",
        DATA / "torso-ct/labels.nii.gz",
        {"sacrum": 25, "L5": 27, "L4": 28, "L3": 29, "L2": 30, "L1": 31, "T12": 32}
        | {"femur left": 75, "femur right": 76, "hip left": 77, "hip right": 78},
    ),
}
LAYOUTS = {
    "q9": dict.fromkeys(Plane, (0.25, 0.5, 0.75)),
    "fml9": dict.fromkeys(Plane, (0, 0.5, 1)),
    "m3": dict.fromkeys(Plane, (0.5,)),
    "a1": {Plane.AXIAL: (0.5,)},
    "a3q": {Plane.AXIAL: (0.25, 0.5, 0.75)},
}
CHOICES = {
    "base": {},
    "compete": {"compete": True},
    "elsewhere": {"elsewhere": True},
    "both": {"compete": True, "elsewhere": True},
}
CONTACT_MM = 5.0


def seeds_of(references, volume, layout):
    """Slices of each reference at fractions of the way along each plane."""
    seeds = {}
    for name, reference in references.items():
        seeds[name] = []
        for plane, fractions in LAYOUTS[layout].items():
            view = volume.view(plane)
            others = tuple({0, 1, 2} - {view.axis})
            filled = np.flatnonzero(reference.any(axis=others)[np.array(view.order)])
            places = (int(np.floor(filled[0] + f * (filled[-1] - filled[0]) + 0.5)) for f in fractions)
            for index in dict.fromkeys(view.order[place] for place in places):
                seeds[name].append(SeedSlice(plane, index, view.slice(reference, index).copy()))
    return seeds


def dice(one, other):
    """Dice of two masks."""
    return 2 * (one & other).sum() / max(1, one.sum() + other.sum())


def figures(volume, references, masks):
    """Means over structures: Dice, HD95 in mm, Dice in contact zones, share of the bone that is a neighbour's."""
    spacing, hd95 = volume.spacing[::-1], next(m for m in METRICS.values() if "95" in m.name)
    rows = []
    for name, reference in references.items():
        mask = np.asarray(masks[name].mask)
        rivals = np.any([r for n, r in references.items() if n != name], axis=0)
        near = ndimage.distance_transform_edt(~rivals, sampling=spacing) <= CONTACT_MM
        near &= ndimage.distance_transform_edt(~reference, sampling=spacing) <= CONTACT_MM
        touches = (reference & near).sum() > 50
        rows.append(
            (
                dice(mask, reference),
                hd95.of(Measured(mask, reference, spacing)),
                dice(mask & near, reference & near) if touches else np.nan,
                (mask & rivals & ~reference).sum() / reference.sum(),
            )
        )
    return np.nanmean(rows, axis=0)


def interval(differences, rounds=10000):
    """Mean with its 95 % bootstrap interval over CTs."""
    values = np.asarray(differences)
    picks = np.random.default_rng(0).integers(0, len(values), (rounds, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def main(layouts, choices, cases):
    """Measure, and print."""
    tracker = SliceTracker.load(checkpoints.find("demo"), "cpu", image_size=160)
    for layout in layouts:
        found = {}
        for case in cases:
            ct, labels, names = CASES[case]
            volume = read_volume(ct)
            given = read_seeds(labels, volume)
            references = {name: np.asarray(given[f"label {number}"].mask) for name, number in names.items()}
            seeds = seeds_of(references, volume, layout)
            tracker.forget()
            for choice in choices:
                settings = replace(RECOMMENDED, crop_each=True, **CHOICES[choice])
                result = Segmenter(tracker).segment(Request.of(volume, seeds, settings))
                found[choice, case] = row = figures(volume, references, result.segments)
                print(layout, case, choice, *(f"{value:.4f}" for value in row), flush=True)
        for choice in choices if choices[0] == "base" else ():
            for n, measure in enumerate(("dice", "hd95", "contact", "swap")):
                print(layout, choice, measure, interval([found[choice, c][n] - found["base", c][n] for c in cases]))


if __name__ == "__main__":
    main(*(argument.split(",") for argument in sys.argv[1:4]))
