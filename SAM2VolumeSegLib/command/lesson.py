"""The command `sam2-volume-seg lesson`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from SAM2VolumeSegLib.command.options import add_choices, add_model, model_of, settings_of
from SAM2VolumeSegLib.command.segment import add_inputs, read_inputs, seeds_of
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import ProgressLine, duration, follow
from SAM2VolumeSegLib.propagation import Request, Settings
from SAM2VolumeSegLib.volume import Volume, read_seeds
from SAM2VolumeSegLib.volume.target import check_target, names_this_program, write_text

if TYPE_CHECKING:
    from SAM2VolumeSegLib.lesson.run import LessonStep

LARGE_MB = 15
"""From a USB stick, and in a browser, a larger page is slow to open."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "lesson",
        help="make a page on which a class sees what the model remembers",
        description="Make one HTML file that shows a real run: what each slice looked at, and what settings change. It "
        "needs no network, and opens from a USB stick.",
    )
    add_inputs(parser, optional=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the page: a file that ends in .html")
    parser.add_argument(
        "--phantom", action="store_true", help="in place of CT and seeds, the built-in phantom and the demo model"
    )
    parser.add_argument(
        "--reference", type=Path, help="what is right: a file with a segment of the same name, for Dice and outlines"
    )
    parser.add_argument("--show", metavar="NAME", help="the segment that is shown (default: the first)")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar='"OPTIONS"',
        help='settings to lay beside the others, as they are typed here: --against="--preset paper --radius 0.5"',
    )
    parser.add_argument("--words", type=Path, help="a translated copy of the page's words (lesson/words.json)")
    add_model(parser)
    add_choices(parser)
    parser.set_defaults(command=_lesson)


def _lesson(options: argparse.Namespace) -> None:
    from SAM2VolumeSegLib.lesson.page import WORDS, read_words
    from SAM2VolumeSegLib.lesson.ways import Way, ways_of

    _check_output(options)
    words = read_words(options.words or WORDS)
    settings = settings_of(options)
    more = [Way(text, _settings_of_text(text)) for text in options.against]
    if options.phantom:
        options.model = "demo"
    model = model_of(options)
    request, references = _phantom(settings) if options.phantom else _from_files(options, settings)
    segment = options.show or next(iter(request.named_seeds))
    reference = references.get(segment)
    if segment in request.named_seeds:  # else `lesson_of` says so
        ways_of(settings, request.named_seeds[segment], more)
    if options.reference and reference is None:
        raise InputError(
            f'There is no segment "{segment}" in {options.reference}. It has: {", ".join(references)}. Give the '
            "reference the same name."
        )

    from SAM2VolumeSegLib.lesson.content import content_of
    from SAM2VolumeSegLib.lesson.page import page_of
    from SAM2VolumeSegLib.lesson.run import lesson_of
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    tracker = SliceTracker.load(model, options.device, options.image_size)
    print(f"{model.name} model at {tracker.plan.image_size} pixels on {tracker.plan.device}")
    lesson = follow(lesson_of(tracker, request, segment, reference, more), _shown, "slices")
    page = page_of(content_of(lesson), words)
    write_text(options.output, page)
    megabytes = len(page.encode()) / 1e6
    print(f"Written: {options.output} ({megabytes:.1f} MB, {segment}, {len(lesson.runs)} settings)")
    if megabytes > LARGE_MB:
        print(f"Above {LARGE_MB} MB it opens slowly. A smaller --margin or a CT cut to the structure makes it smaller.")


def _shown(step: LessonStep) -> ProgressLine:
    now = step.progress
    doing = "bringing the axes together" if now.plane is None else f"{now.plane.value} {now.index}"
    left = "" if now.seconds_left is None else duration(now.seconds_left)
    return ProgressLine(now.done, now.total, f"settings {step.number} of {step.count}, {now.segment}, {doing}", left)


def _check_output(options: argparse.Namespace) -> None:
    """Raise InputError where the page cannot be written, or would replace what is no page of ours."""
    if options.phantom == bool(options.ct or options.seeds) or bool(options.ct) != bool(options.seeds):
        raise InputError("Give a CT and its painted slices, or --phantom in place of both.")
    if options.phantom and options.reference:
        raise InputError("The phantom knows what is right: leave out --reference.")
    path = options.output
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f'"{path}" has to end in .html, or no browser opens it.')
    check_target(path, [one for one in (options.ct, options.seeds, options.reference, options.words) if one])
    if path.exists() and not names_this_program(path):
        raise InputError(f'"{path}" is there already, and no lesson. Give another name, or remove it.')


class _Parser(argparse.ArgumentParser):
    """For settings within an option: what is wrong with them is said as of any other option."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"--against: {message}. See sam2-volume-seg lesson --help.")


def _settings_of_text(text: str) -> Settings:
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_choices(parser)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"--against: {error} in {text}") from error
    return settings_of(parser.parse_args(words))


def _phantom(settings: Settings) -> tuple[Request, dict[str, np.ndarray]]:
    from SAM2VolumeSegLib.synthetic.phantom import make_phantom

    volume, labels, names, seeds = make_phantom()
    request = Request.of(volume, {names[label]: own for label, own in seeds.items()}, settings)
    return request, {name: labels == label for label, name in names.items()}


def _from_files(options: argparse.Namespace, settings: Settings) -> tuple[Request, Mapping[str, np.ndarray]]:
    volume, segments = read_inputs(options)
    seeds, marks = seeds_of(options, volume, segments)
    request = Request.of(volume, seeds, settings, marks=marks)
    return request, {} if options.reference is None else _references(options.reference, volume)


def _references(path: Path, volume: Volume) -> dict[str, np.ndarray]:
    return {name: segment.mask for name, segment in read_seeds(path, volume).items()}
