"""The commands `sam2-volume-seg review` and `audit`: one case, or a list of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from SAM2VolumeSegLib.command.options import add_choices, add_model
from SAM2VolumeSegLib.errors import InputError

if TYPE_CHECKING:
    from SAM2VolumeSegLib.report import SegmentRow

COLUMNS = "The columns of the list: case, ct, segmentation; and where there are any: seeds, before, reference, series."


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    review = commands.add_parser(
        "review",
        help="say where a result is likely wrong, and write a report",
        description="Say where a result of `segment` is likely wrong, how wrong, and where to correct it.",
        epilog=COLUMNS,
    )
    _add_files(review, "the result: .seg.nrrd, or a label image on the CT's grid")
    review.add_argument(
        "--seeds", type=Path, help="what was painted (else the slices of the result that its header names as painted)"
    )
    review.set_defaults(command=_review, audit=False)

    audit = commands.add_parser(
        "audit",
        help="compare a segmentation of any origin with what its own slices lead to",
        description=(
            "Take slices of a segmentation as if they had been painted, propagate them, and say where it does not "
            "agree."
        ),
        epilog=COLUMNS,
    )
    _add_files(audit, "a segmentation: .seg.nrrd, or a label image on the CT's grid")
    audit.set_defaults(command=_review, audit=True, seeds=None)
    for parser in (review, audit):
        add_model(parser, None, "the one of the result, else small" if parser is review else "small")
        add_choices(parser)


def _add_files(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("ct", type=Path, nargs="?", help="CT: NRRD, NIfTI, or a folder with one DICOM series")
    parser.add_argument("segmentation", type=Path, nargs="?", help=what)
    parser.add_argument("--cases", type=Path, help="a CSV with a line for each case, in place of the two files")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for the report, or for those of all cases"
    )
    parser.add_argument("--reference", type=Path, help="a segmentation that is taken for the truth, to compare with")
    parser.add_argument("--before", type=Path, help="an earlier state of the segmentation, to be shown beside it")
    parser.add_argument("--series", help="series UID, when the DICOM folder holds several")
    parser.add_argument("--segments", nargs="+", metavar="NAME", help="only these segments (default: all)")
    parser.add_argument(
        "--no-self-check",
        action="store_true",
        help="do not leave painted slices out in turn: quicker, and the estimates are not those of this patient",
    )


def _review(options: argparse.Namespace) -> None:
    # scipy takes a moment to import: not for every other command
    from SAM2VolumeSegLib.command.batch import review_all
    from SAM2VolumeSegLib.command.case_files import Case
    from SAM2VolumeSegLib.command.one_case import Reviewer

    reviewer = Reviewer.of(options)
    if options.cases is None:
        if options.ct is None or options.segmentation is None:
            raise InputError("Give a CT and a segmentation, or a list of cases with --cases.")
        files = options.segmentation, options.seeds, options.before, options.reference
        case = Case(_name(options.segmentation), options.ct, *files, options.series)
        rows = reviewer.review(case, options.output)
        for row in rows:
            print(_line(row))
        print(f"Written: {options.output / 'review.html'}")
        return
    given = {
        "a CT and a segmentation": options.ct,
        "--seeds": options.seeds,
        "--reference": options.reference,
        "--before": options.before,
        "--series": options.series,
    }
    for what, value in given.items():
        if value is not None:
            raise InputError(f"With --cases, {what} cannot be given as well: name the files in the list.")
    review_all(options.cases, options.output, reviewer)


def _line(row: SegmentRow) -> str:
    if row.dice_with_propagated is not None:  # of an audit, whose expected Dice says too little
        text = f"{row.segment}: Dice with what was propagated {row.dice_with_propagated:.3f}, {row.suspects} suspects"
    else:
        interval = f"{row.expected_dice_lower:.2f} to {row.expected_dice_upper:.2f}"
        by = " (phantoms)" if row.self_checked == "no" else ""
        text = f"{row.segment}: expected Dice {row.expected_dice:.2f} ({interval}){by}, {row.suspects} suspects"
    if row.dice is not None:
        text += f"; Dice with the reference {row.dice:.3f}"
    return text


def _name(path: Path) -> str:
    """What a case is called: its file without the ending."""
    name = path.name
    for ending in (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha"):
        name = name.removesuffix(ending)
    return name
