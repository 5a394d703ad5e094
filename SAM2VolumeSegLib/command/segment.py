"""The commands `sam2-volume-seg segment` and `seeds`."""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

from SAM2VolumeSegLib.command.options import add_choices, add_model, model_of, settings_of
from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.progress import ProgressLine, duration, follow
from SAM2VolumeSegLib.propagation import Progress, Request, Result
from SAM2VolumeSegLib.seeds import (
    Marks,
    SeedSlice,
    correct_seeds,
    describe,
    find_seeds,
    typed_marks,
    typed_slice,
    uncounted_ends,
)
from SAM2VolumeSegLib.volume import (
    Segment,
    Volume,
    check_output,
    check_segments,
    read_seeds,
    read_volume,
    write_segmentation,
)
from SAM2VolumeSegLib.volume.target import check_own


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    segment = commands.add_parser("segment", help="segment a CT from painted slices")
    add_inputs(segment)
    segment.add_argument("-o", "--output", type=Path, required=True, help="result: .seg.nrrd, .nii.gz or .nii")
    add_model(segment)
    segment.add_argument(
        "--keep-evidence",
        action="store_true",
        help="store beside the result, as .evidence.npz, what `review --no-self-check` needs to do without a model",
    )
    add_choices(segment)
    segment.set_defaults(command=_segment)

    seeds = commands.add_parser("seeds", help="show which painted slices are found in a mask")
    add_inputs(seeds)
    seeds.set_defaults(command=_show_seeds)


def _segment(options: argparse.Namespace) -> None:
    try:
        volume, result = _run(options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Nothing was written.") from None
    voxel_ml = math.prod(volume.spacing) / 1000
    for name, found in result.segments.items():
        print(f"{name}: {found.found.inside.sum() * voxel_ml:.1f} ml, mean confidence {found.mean_confidence:.2f}")
    for sentence in result.warnings:
        print(sentence)
    print(f"Written: {options.output} ({result.provenance['seconds']:.1f} s)")


def _run(options: argparse.Namespace) -> tuple[Volume, Result]:
    """Segment and write."""
    corrected = (Path(file) for file, *_ in options.correct)
    inputs = (options.ct, options.seeds, options.checkpoint, options.config, *corrected)
    check_output(options.output, *(one for one in inputs if one))
    if options.keep_evidence:
        from SAM2VolumeSegLib.review import Evidence, evidence_path, write_evidence

        check_own(evidence_path(options.output))
    settings = settings_of(options)
    model = model_of(options)
    volume, segments = read_inputs(options)
    seeds, marks = seeds_of(options, volume, segments)
    request = Request.of(volume, seeds, settings, marks=marks)
    check_segments(options.output, volume, segments)

    # torch and sam2 take seconds to import: not before everything else is known to be right
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter

    tracker = SliceTracker.load(model, options.device, options.image_size)
    print(f"{model.name} model at {tracker.plan.image_size} pixels on {tracker.plan.device}")
    result = follow(Segmenter(tracker).run(request), run_line, "slices")
    answer = [segments[name].with_mask(found.found) for name, found in result.segments.items()]
    write_segmentation(options.output, volume, answer, result.provenance)
    if options.keep_evidence:
        write_evidence(evidence_path(options.output), Evidence.of(request, result))
    return volume, result


def run_line(step: Progress) -> ProgressLine:
    """Say where a run is."""
    doing = "bringing the axes together" if step.plane is None else f"{step.plane.value} {step.index}"
    left = f"{step.slices_left} left"
    if step.seconds_left is not None:
        left += f", {duration(step.seconds_left)}"
    return ProgressLine(step.done, step.total, f"{step.segment}, {doing}", left)


def read_inputs(options: argparse.Namespace) -> tuple[Volume, dict[str, Segment]]:
    """Return the CT, and the painted segments that are wanted by name.

    Raises:
        InputError: A file cannot be read, or lacks a segment that was asked for.
    """
    volume = read_volume(options.ct, options.series)
    segments = read_seeds(options.seeds, volume)
    if options.segments:
        unknown = [name for name in options.segments if name not in segments]
        if unknown:
            raise InputError(f'There is no segment "{unknown[0]}" in {options.seeds}. It has: {", ".join(segments)}.')
        segments = {name: segments[name] for name in options.segments}
    return volume, segments


def seeds_of(
    options: argparse.Namespace, volume: Volume, segments: dict[str, Segment]
) -> tuple[dict[str, list[SeedSlice]], Marks]:
    """Return the seeds that are found in each segment, with those of corrected slices, and the user's say over them.

    Raises:
        InputError: A segment is empty, or a mark or a slice that was typed cannot be used.
    """
    for name, segment in segments.items():
        if segment.is_empty:
            raise InputError(f'"{name}" is not painted on any slice: paint it, or choose others with --segments.')
    seeds = {name: find_seeds(segment.mask, volume) for name, segment in segments.items()}
    for name, corrected in _corrected(options, volume, segments).items():
        seeds[name] = correct_seeds(seeds[name], corrected, volume)
    for name, found in seeds.items():
        for end in uncounted_ends(found, volume):
            warnings.warn(_uncounted(options.seeds, name, end, volume), InputWarning, stacklevel=2)
    return seeds, typed_marks(options.skip, options.absent, seeds, volume)


def _corrected(options: argparse.Namespace, volume: Volume, segments: dict[str, Segment]) -> dict[str, list[SeedSlice]]:
    """Return the slices that --correct names, by segment, in the order in which they were typed.

    Raises:
        InputError: A file cannot be read or lacks a segment; there is no such slice, or nothing is on it.
    """
    slices: dict[str, list[SeedSlice]] = {}
    for file, *places in options.correct:
        if not places:
            raise InputError(f"--correct {file} needs the corrected slices as well, as in --correct {file} axial:34.")
        results = read_seeds(file, volume)
        for text in places:
            name, (plane, index) = typed_slice(text, segments, volume)
            if len(results) == len(segments) == 1:  # a label image does not keep the name
                results = dict.fromkeys(segments, next(iter(results.values())))
            if name not in results:
                raise InputError(f'There is no segment "{name}" in {file}. It has: {", ".join(results)}.')
            picture = volume.view(plane).slice(results[name].mask, index).copy()
            if not picture.any():
                raise InputError(
                    f'"{name}" is empty on {plane.value} slice {index} of {file}. Choose a slice that shows it, or say '
                    f"that it is not there: --absent {text}."
                )
            slices.setdefault(name, []).append(SeedSlice(plane, index, picture))
    return slices


def _uncounted(file: Path, name: str, end: SeedSlice, volume: Volume) -> str:
    return (
        f'"{name}" may have been painted on {describe(end, volume)}. All of that lies on painted slices of other '
        "planes as well, so it cannot be told and is not counted. To count it: "
        f"--correct {file} {name}={end.plane.value}:{end.index}"
    )


def _show_seeds(options: argparse.Namespace) -> None:
    volume, segments = read_inputs(options)
    seeds, marks = seeds_of(options, volume, segments)
    for name, found in seeds.items():
        used = marks.applied(name, found, volume)
        print(f"{name}: {len(used)} seed{'s' * (len(used) != 1)}")
        for seed in used:
            print(f"  {describe(seed, volume)}")


def add_inputs(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """Add the CT, its painted slices, and what is said of them; `optional`: there is something else to take."""
    count = "?" if optional else None
    parser.add_argument("ct", type=Path, nargs=count, help="CT: NRRD, NIfTI, or a folder with one DICOM series")
    parser.add_argument(
        "seeds", type=Path, nargs=count, help="painted slices: .seg.nrrd, or a label image on the CT's grid"
    )
    parser.add_argument("--series", help="series UID, when the DICOM folder holds several")
    parser.add_argument("--segments", nargs="+", metavar="NAME", help="only these segments (default: all)")
    parser.add_argument(
        "--correct",
        action="append",
        nargs="+",
        default=[],
        metavar=("FILE", "[NAME=]PLANE:INDEX"),
        help="take these slices of a file as painted, as in result.seg.nrrd axial:34: a result, corrected there",
    )
    for option, text in {
        "--skip": "switch a found seed off, as in axial:34",
        "--absent": "say that a structure is not on a slice",
    }.items():
        parser.add_argument(option, action="append", default=[], metavar="[NAME=]PLANE:INDEX", help=text)
