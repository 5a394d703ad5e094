"""Sentences for people, in the language of the application around the engine.

Files that say something to people write `_("{name} is not painted.").format(name=...)`, as Slicer's own modules do: a
whole sentence as a literal with named values, so that Slicer's tools find it and a translator can turn it around.
"""

from __future__ import annotations

import sys
from pathlib import Path
from string import Formatter


def tr(text: str) -> str:
    """Return a sentence in Slicer's language where Slicer is around, else as it is; its values are still `{name}`.

    The context is folder and name of the calling file ("scene.run"), as `slicer.i18n.getContext` has it. Slicer is not
    imported here: its own modules have done that, long before the engine says anything.
    """
    application = sys.modules.get("slicer.i18n")
    if application is None:
        return text
    file = Path(sys._getframe(1).f_code.co_filename)
    translated = application.translate(f"{file.parent.name}.{file.stem}", text)
    # A translator's slip must not turn a sentence into a fault, nor lose what it is about.
    return translated if _values(translated) == _values(text) else text


def _values(text: str) -> set[str | None] | None:
    """Return the names of the values that a sentence has room for; None where it cannot be read."""
    try:
        return {name for _literal, name, _spec, _conversion in Formatter().parse(text)} - {None}
    except ValueError:
        return None
