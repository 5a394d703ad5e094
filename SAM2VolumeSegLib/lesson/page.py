"""The page of a lesson: values, words, style and script in one file that needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Formatter
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.paths import read_text
from SAM2VolumeSegLib.volume.target import PROGRAM

FOLDER = Path(__file__).parent
WORDS = FOLDER / "words.json"


def read_words(path: Path = WORDS) -> dict[str, str]:
    """Read what a page says: by name, with values in braces.

    Args:
        path: the English words, or a translated copy of that file.

    Raises:
        InputError: it cannot be read, or it has not the names, or in one of them not the values, of the English words.
    """
    text = read_text(path)
    try:
        words = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            _(
                'The words in "{path}" cannot be read from line {line}, column {column} on. Look for a quotation mark '
                "or a comma that is missing there, or translate another copy of words.json."
            ).format(path=path, line=error.lineno, column=error.colno)
        ) from error
    english = json.loads(WORDS.read_text(encoding="utf-8"))
    wrong = [name for name in english if not _fits(words, name, english[name])] if isinstance(words, dict) else ["lang"]
    if wrong:
        raise InputError(
            _(
                'The words in "{path}" lack "{name}", or what is in braces there. Translate it from the English: '
                "{english}"
            ).format(path=path, name=wrong[0], english=english[wrong[0]])
        )
    return words


def _fits(words: Mapping[str, Any], name: str, english: str) -> bool:
    own = words.get(name)
    try:
        return isinstance(own, str) and _values(own) == _values(english)
    except ValueError:
        return False


def _values(text: str) -> set[str | None]:
    return {name for _literal, name, _spec, _conversion in Formatter().parse(text)} - {None}


def page_of(content: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        content: as `content_of` has it.
        words: as of `read_words`.
    """
    model = content["model"]
    values = {
        "segment": content["segment"],
        "volume": content["volume"],
        "model": model["name"],
        "size": model["image_size"],
        "date": content["date"][:10],
        "program": content["program"],
        "limit": f"{content['limit']:g}",
    }
    parts = {name: escape(_said(text, values)) for name, text in words.items()}
    parts |= {
        "style": _read("lesson.css"),
        "script": "\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "script").glob("*.js"))),
        "words": _embedded(words),
        "lesson": _embedded(content),
    }
    page = re.sub(r"\{\{([\w.]+)\}\}", lambda found: parts[found[1]], _read("page.html"))
    return f"{page[:15]}\n<!-- {PROGRAM} -->{page[15:]}"


def _said(text: str, values: Mapping[str, Any]) -> str:
    """A sentence with the values of the page's head; those that the script fills in stay."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)


def _embedded(values: Mapping[str, Any]) -> str:
    """JSON that can stand between tags: no value ends the script, whatever a segment is called."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
