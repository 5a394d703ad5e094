"""The commands `sam2-volume-seg segment` and `seeds`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.policy import STOCK, MemoryPolicy
from SAM2VolumeSegLib.progress import ProgressLine, duration, follow
from SAM2VolumeSegLib.propagation import RECOMMENDED, Result, Settings, check_seeds
from SAM2VolumeSegLib.propagation.settings import DIRECTIONS, FUSIONS
from SAM2VolumeSegLib.seeds import SeedSlice, add_absent, describe, find_seeds, parse_slice, skip_seeds
from SAM2VolumeSegLib.volume import (
    WINDOWS,
    Segment,
    Volume,
    check_output,
    check_segments,
    read_seeds,
    read_volume,
    write_segmentation,
)


def add_parsers(commands) -> None:
    """Add the commands to the subparsers of the command line."""
    segment = commands.add_parser("segment", help="segment a CT from painted slices")
    _add_inputs(segment)
    segment.add_argument("-o", "--output", type=Path, required=True, help="result: .seg.nrrd, .nii.gz or .nii")
    _add_model(segment)
    _add_choices(segment)
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
    model = _model(options)
    volume, segments = _read(options)
    seeds = _seeds(options, volume, segments)
    check_seeds(volume, seeds, settings)
    check_segments(options.output, volume, segments)

    # torch and sam2 take seconds to import: not before everything else is known to be right
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter

    tracker = SliceTracker.load(model, options.device, options.image_size)
    print(f"{model.name} model at {tracker.plan.image_size} pixels on {tracker.plan.device}")
    result = follow(Segmenter(tracker).run(volume, seeds, settings), _shown, "slices")
    answer = [segments[name].with_mask(found.found) for name, found in result.segments.items()]
    write_segmentation(options.output, volume, answer, result.provenance)
    return volume, result


def _shown(step) -> ProgressLine:
    doing = "bringing the axes together" if step.plane is None else f"{step.plane.value} {step.index}"
    left = f"{step.slices_left} left"
    if step.seconds_left is not None:
        left += f", {duration(step.seconds_left)}"
    return ProgressLine(step.done, step.total, f"{step.segment}, {doing}", left)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the choices of a run. Raises InputError."""
    if options.stock:
        memory = STOCK
    else:
        radius = None if options.radius == "all" else _number(options.radius, "--radius")
        memory = MemoryPolicy(radius, options.recent, options.embeddings, options.stride, options.gate)
    return Settings(
        window=_window(options.window),
        clahe=options.clahe,
        planes=tuple(options.axes.replace(" ", "").split(",")) if options.axes else None,
        margin_mm=options.margin,
        crop_each=options.crop_each,
        memory=memory,
        direction=options.direction,
        fusion=options.fusion,
        drop_islands=not options.keep_islands,
        extend=options.extend,
        passes=options.passes,
    )


def _window(text: str) -> str | tuple[float, float]:
    """ "bone", "-100,1000" (lower and upper HU) or "c400w1000" (centre and width)."""
    if text[:1] == "c" and "w" in text and text[1:2] in "-0123456789":
        centre, width = (_number(part, "--window") for part in text[1:].split("w", 1))
        return centre - width / 2, centre + width / 2
    if "," in text:
        lower, upper = (_number(part, "--window") for part in text.split(",", 1))
        return lower, upper
    return text


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{option}: '{text}' is not a number. See sam2-volume-seg segment --help.") from None


def _model(options: argparse.Namespace):
    from SAM2VolumeSegLib.model import checkpoints

    if options.checkpoint:
        if not options.config:
            raise InputError(
                "A checkpoint of your own needs --config: the model whose architecture it has, such as tiny."
            )
        model = checkpoints.user_model(options.checkpoint, options.config, options.image_size)
    else:
        model = checkpoints.find(options.model)
    checkpoints.path_of(model)
    return model


def _read(options: argparse.Namespace) -> tuple[Volume, dict[str, Segment]]:
    volume = read_volume(options.ct, options.series)
    segments = read_seeds(options.seeds, volume)
    if options.segments:
        unknown = [name for name in options.segments if name not in segments]
        if unknown:
            raise InputError(f'There is no segment "{unknown[0]}" in {options.seeds}. It has: {", ".join(segments)}.')
        segments = {name: segments[name] for name in options.segments}
    return volume, segments


def _seeds(options: argparse.Namespace, volume: Volume, segments: dict[str, Segment]) -> dict[str, list[SeedSlice]]:
    seeds = {}
    for name, segment in segments.items():
        if segment.is_empty:
            raise InputError(f'"{name}" is not painted on any slice: paint it, or choose others with --segments.')
        seeds[name] = find_seeds(segment.mask, volume)
    for change, texts in ((skip_seeds, options.skip), (add_absent, options.absent)):
        for text in texts:
            name, _, slice_ = text.rpartition("=")
            if not name and len(seeds) > 1:
                raise InputError(f'"{text}" could mean any of {", ".join(seeds)}: write "{next(iter(seeds))}={text}".')
            name = name or next(iter(seeds))
            if name not in seeds:
                raise InputError(f'"{text}" names no segment. The segments are: {", ".join(seeds)}.')
            seeds[name] = change(seeds[name], [parse_slice(slice_, volume)], volume)
    return seeds


def _show_seeds(options: argparse.Namespace) -> None:
    volume, segments = _read(options)
    for name, seeds in _seeds(options, volume, segments).items():
        print(f"{name}: {len(seeds)} seeds")
        for seed in seeds:
            print(f"  {describe(seed, volume)}")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ct", type=Path, help="CT: NRRD, NIfTI, or a folder with one DICOM series")
    parser.add_argument("seeds", type=Path, help="painted slices: .seg.nrrd, or a label image on the CT's grid")
    parser.add_argument("--series", help="series UID, when the DICOM folder holds several")
    parser.add_argument("--segments", nargs="+", metavar="NAME", help="only these segments (default: all)")
    slices = {"action": "append", "default": [], "metavar": "[NAME=]PLANE:INDEX"}
    parser.add_argument("--skip", **slices, help="switch a found seed off, as in axial:34")
    parser.add_argument("--absent", **slices, help="say that a structure is not on a slice")


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", default="small", help="tiny, small, base+, large or demo (small)")
    group.add_argument("--checkpoint", type=Path, help="a checkpoint file of your own, with --config")
    group.add_argument("--config", help="its architecture: the name of a model, or a yaml file")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    group.add_argument(
        "--image-size",
        type=int,
        help="pixels the model sees, a multiple of 32 (official models: 1024 on a GPU, 512 on a CPU)",
    )


def _add_choices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("choices (the defaults are recommended)")
    group.add_argument(
        "--window",
        default=RECOMMENDED.window,
        help=f"{', '.join(WINDOWS)}, min-max, or HU: LOWER,UPPER or cCENTREwWIDTH as in c400w1000 (bone)",
    )
    group.add_argument("--clahe", action="store_true", help="equalise contrast after the window")
    group.add_argument("--axes", help="axes that propagate, as in axial,coronal (every axis that has seeds)")
    group.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default=RECOMMENDED.direction,
        help="forward is to superior, anterior, right; forward-backward averages both (forward-backward)",
    )
    group.add_argument(
        "--fusion",
        choices=FUSIONS,
        default=RECOMMENDED.fusion,
        help="how directions and axes are averaged: the nearer a slice is to the seed it was reached from, the more it "
        "counts; or all alike (nearness)",
    )
    group.add_argument(
        "--keep-islands", action="store_true", help="keep parts of the result that connect to nothing painted"
    )
    group.add_argument(
        "--margin", type=float, default=RECOMMENDED.margin_mm, help="mm around the seeds that the model sees (15)"
    )
    group.add_argument("--crop-each", action="store_true", help="a crop for each segment: sharper, slower")
    group.add_argument(
        "--extend", action="store_true", help="go on beyond the outermost seeds until the structure is gone"
    )
    group.add_argument("--passes", type=int, default=1, help="2: once more, with confident slices as extra prompts (1)")
    memory = parser.add_argument_group("memory")
    memory.add_argument("--stock", action="store_true", help="SAM2's own memory; the options below are then not used")
    memory.add_argument("--radius", default="0.3", help="SPS: prompts within this share of the stack, or all (0.3)")
    memory.add_argument("--recent", type=int, default=2, help="recent slices kept, 0 to 6 (2)")
    memory.add_argument(
        "--embeddings", choices=("is", "sam2"), default="is", help="temporal embeddings of recent slices (is)"
    )
    memory.add_argument(
        "--stride", type=int, default=1, help="1, 2, 4: beyond the slice just passed, remember only every so many (1)"
    )
    memory.add_argument(
        "--gate", type=int, default=0, help="1 to 6: the most confident slices in place of the recent ones (0: off)"
    )
