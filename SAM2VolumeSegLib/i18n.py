"""Sentences for people, in the language of the application around the engine.

Files that say something to people write `_("{name} is not painted.").format(name=...)`, as Slicer's own modules do: a
whole sentence as a literal with named values, so that Slicer's tools find it and a translator can turn it around.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

Translate = Callable[[str, str], str]
_translate: Translate | None = None


def set_translator(translate: Translate | None) -> None:
    """Let an application translate what the engine says; None goes back to English.

    Args:
        translate: gets context and sentence, returns the sentence in its language: `slicer.i18n.translate`.
    """
    global _translate  # noqa: PLW0603  # one language for the whole program, as in Qt
    _translate = translate


def tr(text: str) -> str:
    """Return a sentence, its values still as `{name}`, in the language of the application.

    The context is folder and name of the calling file ("scene.run"), as `slicer.i18n.getContext` has it.
    """
    if _translate is None:
        return text
    file = Path(sys._getframe(1).f_code.co_filename)
    return _translate(f"{file.parent.name}.{file.stem}", text)
