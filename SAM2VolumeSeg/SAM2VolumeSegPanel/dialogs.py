"""Words between the panel and the user, through Slicer's boxes and its status bar."""

import logging
import traceback
from contextlib import contextmanager

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel.messages import in_panel


@contextmanager
def errorsShown():
    """What the user can put right is one sentence in a plain box; anything else is an error, and is logged."""
    try:
        yield
    except InputError as error:
        text = in_panel(error)
        slicer.util.infoDisplay(text, windowTitle=_("SAM2 Volume Segmentation"))
    except Exception:
        logging.exception("SAM2VolumeSeg")
        slicer.util.errorDisplay(
            _("Something unexpected went wrong. Details are in the log (View, Error Log)."),
            detailedText=traceback.format_exc(),
        )


def say(text):
    """A line in the status bar, shown at once, until something else is said."""
    slicer.util.showStatusMessage(text)
    slicer.app.processEvents()


def tell(text):
    """A line in the status bar about what was just done; it goes away by itself."""
    slicer.util.showStatusMessage(text, 5000)


def confirm(text, title):
    """Whether the user says OK."""
    return slicer.util.confirmOkCancelDisplay(text, title)
