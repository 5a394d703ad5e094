"""Writing a report, all of its files or none."""

from __future__ import annotations

from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.report.page import page_of
from SAM2VolumeSegLib.report.tables import segments_csv, suspects_csv
from SAM2VolumeSegLib.volume.csv_text import BOM
from SAM2VolumeSegLib.volume.target import (
    beside,
    check_own,
    check_target,
    make_folder,
    move_together,
    names_this_program,
)

PAGE, SEGMENTS, SUSPECTS = "review.html", "review.csv", "suspects.csv"
FILES = (SEGMENTS, SUSPECTS, PAGE)
"""Of a report. The last one says that all are there."""


def check_folder(folder: Path) -> None:
    """Check that a report could be written into a folder, and make it, before any time is spent on the review.

    Raises:
        InputError: it cannot be made, or its files cannot be written or would replace somebody else's.
    """
    make_folder(folder)
    check_own(folder / PAGE)
    for name in (SEGMENTS, SUSPECTS):
        check_target(folder / name)
        if (folder / name).exists() and not names_this_program(folder / PAGE):
            raise InputError(
                _('"{path}" is there already, and not from this program. Choose another folder or name.').format(
                    path=folder / name
                )
            )


def write_report(folder: Path, report: Report) -> None:
    """Write ``review.html``, ``review.csv`` and ``suspects.csv``; those of an earlier review are replaced.

    Args:
        folder: made where it is not there.
        report: what is in it.

    Raises:
        InputError: as ``check_folder``; or the system does not let them be written.
    """
    check_folder(folder)
    texts = {SEGMENTS: BOM + segments_csv(report), SUSPECTS: BOM + suspects_csv(report), PAGE: page_of(report)}
    with beside(folder / PAGE) as made:
        for name in FILES:
            (made / name).write_bytes(texts[name].encode("utf-8", "replace"))
        move_together([made / name for name in FILES], folder)
