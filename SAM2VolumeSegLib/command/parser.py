"""Every command and its options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib.util import find_spec

import SimpleITK as sitk

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.command import checkpoints, segment


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line.

    Returns:
        The options; ``options.command(options)`` runs the command.

    Raises:
        SystemExit: argparse has said what there is to say.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what ITK finds odd in a file is said in our words, or is none
    return parser().parse_args(_with_limits(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="sam2-volume-seg",
        description="Carry masks painted on a few slices through a CT volume with SAM2. Not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    segment.add_parsers(commands)
    checkpoints.add_parser(commands)
    if find_spec("SAM2VolumeSegLib.research"):  # which the Slicer extension does not bring
        from SAM2VolumeSegLib.research.commands import add_parsers

        add_parsers(commands)
    return parser


def _with_limits(arguments: Sequence[str]) -> list[str]:
    """Join "--window" and "-100,300" by "=": argparse takes the second for an option of its own."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--window" and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
