"""The keys of the panel. They are taken while the panel or a view has the focus, and nowhere else in the application.

None is a key of Slicer's Segment Editor (0 to 9, Shift with them, Escape, Space, Z, Y, Q, W, /, *, comma, period, <, >,
I), of its effect Draw (Return, X) or of the slice views (B, F, G, R, T, V, arrows), which keep theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from SAM2VolumeSegLib.i18n import tr as _


class Key(NamedTuple):
    """A key, as Qt writes it; what it is for (see `KEYS`); and that in words."""

    sequence: str
    action: str
    words: str


KEYS = (
    Key("N", "next", _("go to the slice to paint next")),
    Key("Ctrl+Return", "propagate", _("Propagate")),
    Key("Ctrl+Backspace", "cancel", _("Cancel")),
    Key("U", "use", _("use this slice of the result as seed")),
    Key("D", "exchange", _("show the painted slices in place of the result, and back")),
)
LIST_KEYS = (
    Key("N", "next suspect", _("go to the next suspect")),
    Key("P", "previous suspect", _("go to the suspect before")),
    Key("Space", "tick", _("tick the suspect off, or take that back")),
)
"""Of the list of suspects. While it has the focus, they are its own: neither the panel's nor the Segment Editor's."""


def help_text() -> str:
    """Return the keys for the module's help, as HTML."""
    return (
        _("Keys, while the panel or a view has the focus:")
        + _rows(KEYS)
        + _("Keys of the list of suspects, while it has the focus:")
        + _rows(LIST_KEYS)
    )


def _rows(keys: tuple[Key, ...]) -> str:
    rows = "".join(f"<li><b>{key.sequence}</b>: {key.words}</li>" for key in keys)
    return f"<ul>{rows}</ul>"
