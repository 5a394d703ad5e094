"""The engine's sentences in the words of the panel."""

from __future__ import annotations

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.checkpoints import CheckpointError

WAYS_OUT = {
    "fetch": _("Press Download, or choose the demo model, which needs no download."),
    "fetch again": _("Choose the model, press Delete under Set up and models, and then Download."),
    "install": _("Press Set up; if that does not help, install the extension again."),
}


def in_panel(error: Exception) -> str:
    """Say what an error says, with a button where the engine names a command."""
    if isinstance(error, CheckpointError):
        return f"{error.problem} {WAYS_OUT[error.way_out]}"
    return str(error)
