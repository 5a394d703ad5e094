"""Every command and its options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib.util import find_spec

import SimpleITK as sitk

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.command import checkpoints, lesson, review, segment


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line.

    Returns:
        The options; ``options.command(options)`` runs the command.

    Raises:
        SystemExit: argparse has said what there is to say.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what ITK finds odd in a file is said in our words, or is none
    return parser().parse_args(_joined(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="sam2-volume-seg",
        description="Carry masks painted on a few slices through a CT volume with SAM2. Not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    segment.add_parsers(commands)
    review.add_parsers(commands)
    lesson.add_parser(commands)
    checkpoints.add_parser(commands)
    if find_spec("SAM2VolumeSegLib.research"):  # which the Slicer extension does not bring
        from SAM2VolumeSegLib.research.commands import add_parsers

        add_parsers(commands)
    return parser


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join an option and a value such as "-100,300" or "-1e3" by "=": argparse takes the second for another option.

    It knows plain numbers below zero by itself, and takes several of them behind one option.
    """
    joined: list[str] = []
    for argument in arguments:
        is_value = re.match(r"-\.?\d", argument) and not re.fullmatch(r"-\d+|-\d*\.\d+", argument)
        if is_value and joined and re.fullmatch("-[a-z]|--[a-z][a-z-]*", joined[-1]):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
