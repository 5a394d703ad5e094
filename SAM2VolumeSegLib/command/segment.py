"""The commands `sam2-volume-seg segment` and `seeds`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from SAM2VolumeSegLib.command.options import add_choices, add_model, model_of, settings_of
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import ProgressLine, duration, follow
from SAM2VolumeSegLib.propagation import Progress, Request, Result
from SAM2VolumeSegLib.seeds import Marks, SeedSlice, describe, find_seeds, typed_marks
from SAM2VolumeSegLib.volume import (
    Segment,
    Volume,
    check_output,
    check_segments,
    read_seeds,
    read_volume,
    write_segmentation,
)


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    segment = commands.add_parser("segment", help="segment a CT from painted slices")
    _add_inputs(segment)
    segment.add_argument("-o", "--output", type=Path, required=True, help="result: .seg.nrrd, .nii.gz or .nii")
    add_model(segment)
    add_choices(segment)
    segment.set_defaults(command=_segment)

    seeds = commands.add_parser("seeds", help="show which painted slices are found in a mask")
    _add_inputs(seeds)
    seeds.set_defaults(command=_show_seeds)


def _segment(options: argparse.Namespace) -> None:
    try:
        volume, result = _run(options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Nothing was written.") from None
    voxel_ml = math.prod(volume.spacing) / 1000
    for name, found in result.segments.items():
        print(f"{name}: {found.found.inside.sum() * voxel_ml:.1f} ml, mean confidence {found.mean_confidence:.2f}")
    print(f"Written: {options.output} ({result.provenance['seconds']:.1f} s)")


def _run(options: argparse.Namespace) -> tuple[Volume, Result]:
    """Segment and write."""
    inputs = (options.ct, options.seeds, options.checkpoint, options.config)
    check_output(options.output, *(one for one in inputs if one))
    settings = settings_of(options)
    model = model_of(options)
    volume, segments = _read(options)
    seeds, marks = _seeds(options, volume, segments)
    request = Request.of(volume, seeds, settings, marks=marks)
    check_segments(options.output, volume, segments)

    # torch and sam2 take seconds to import: not before everything else is known to be right
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter

    tracker = SliceTracker.load(model, options.device, options.image_size)
    print(f"{model.name} model at {tracker.plan.image_size} pixels on {tracker.plan.device}")
    result = follow(Segmenter(tracker).run(request), _shown, "slices")
    answer = [segments[name].with_mask(found.found) for name, found in result.segments.items()]
    write_segmentation(options.output, volume, answer, result.provenance)
    return volume, result


def _shown(step: Progress) -> ProgressLine:
    doing = "bringing the axes together" if step.plane is None else f"{step.plane.value} {step.index}"
    left = f"{step.slices_left} left"
    if step.seconds_left is not None:
        left += f", {duration(step.seconds_left)}"
    return ProgressLine(step.done, step.total, f"{step.segment}, {doing}", left)


def _read(options: argparse.Namespace) -> tuple[Volume, dict[str, Segment]]:
    volume = read_volume(options.ct, options.series)
    segments = read_seeds(options.seeds, volume)
    if options.segments:
        unknown = [name for name in options.segments if name not in segments]
        if unknown:
            raise InputError(f'There is no segment "{unknown[0]}" in {options.seeds}. It has: {", ".join(segments)}.')
        segments = {name: segments[name] for name in options.segments}
    return volume, segments


def _seeds(
    options: argparse.Namespace, volume: Volume, segments: dict[str, Segment]
) -> tuple[dict[str, list[SeedSlice]], Marks]:
    """Return the seeds that are found in each segment, and what the user says over them.

    Raises:
        InputError: A segment is empty, or a mark that was typed cannot be used.
    """
    for name, segment in segments.items():
        if segment.is_empty:
            raise InputError(f'"{name}" is not painted on any slice: paint it, or choose others with --segments.')
    seeds = {name: find_seeds(segment.mask, volume) for name, segment in segments.items()}
    return seeds, typed_marks(options.skip, options.absent, seeds, volume)


def _show_seeds(options: argparse.Namespace) -> None:
    volume, segments = _read(options)
    seeds, marks = _seeds(options, volume, segments)
    for name, found in seeds.items():
        used = marks.applied(name, found, volume)
        print(f"{name}: {len(used)} seed{'s' * (len(used) != 1)}")
        for seed in used:
            print(f"  {describe(seed, volume)}")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, help="CT: NRRD, NIfTI, or a folder with one DICOM series")
    parser.add_argument("seeds", type=Path, help="painted slices: .seg.nrrd, or a label image on the CT's grid")
    parser.add_argument("--series", help="series UID, when the DICOM folder holds several")
    parser.add_argument("--segments", nargs="+", metavar="NAME", help="only these segments (default: all)")
    for option, text in {
        "--skip": "switch a found seed off, as in axial:34",
        "--absent": "say that a structure is not on a slice",
    }.items():
        parser.add_argument(option, action="append", default=[], metavar="[NAME=]PLANE:INDEX", help=text)
