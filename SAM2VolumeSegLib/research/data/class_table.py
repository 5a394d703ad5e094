"""What the values of label volumes mean: a JSON file beside the data, or one that is packaged.

    {
      "format": 1,
      "data": "Our spines",
      "tables": {
        "VerSe": {"20": {"name": "L1", "bone": "Vertebrae"}, "26": {"name": "sacrum", "bone": "Sacrum"}, "100": null},
        "old":   {"1": {"name": "L1", "bone": "Vertebrae"}}
      },
      "cases": [
        {"case": "first", "ct": "first/ct.nii.gz", "labels": "first/old-labels.nii.gz", "table": "old"},
        {"ct": "{case}/ct.nii.gz", "labels": "{case}/labels.nii.gz", "table": "VerSe"}
      ]
    }

"data" is what split files and reports call the data. A table gives a value its structure's name and class (one of the
ten of ``bones.BONES`` or another); null says that the value is known and not studied. An entry of "cases" is one case,
or a pattern for many with {case} in its file names, which stands for any text without "/"; the first entry that fits a
case decides. Files are below the data folder, with "/" between folders. "ct" may be the folder of a DICOM series.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from SAM2VolumeSegLib.errors import InputError

FORMAT = 1
CASE = "{case}"
_PACKAGED = Path(__file__).parent / "class_tables"


@dataclass(frozen=True)
class LabelClass:
    """The structure that a label value stands for, and its class.

    Attributes:
        name: of the structure.
        bone: its class.
    """

    name: str
    bone: str


@dataclass(frozen=True)
class LabelledCase:
    """A CT and its label volume.

    Attributes:
        case: its name.
        ct: file below the data folder, or folder of a DICOM series.
        labels: file below the data folder.
        classes: by label value; None: known and not studied.
    """

    case: str
    ct: str
    labels: str
    classes: Mapping[int, LabelClass | None]

    @property
    def studied(self) -> dict[int, LabelClass]:
        """The classes that are not None, in the order of the table."""
        return {value: known for value, known in self.classes.items() if known}


@dataclass(frozen=True)
class ClassTable:
    """A class table as read.

    Attributes:
        data: name of the data.
        entries: cases or, with {case}, patterns for cases.
    """

    data: str
    entries: tuple[LabelledCase, ...]

    def cases(self, folder: Path) -> list[LabelledCase]:
        """Return the cases below a data folder by name; those that the table names one by one may lack their files."""
        found: dict[str, LabelledCase] = {}
        for entry in self.entries:
            names = _matches(entry.ct, folder) if CASE in entry.ct else [entry.case]
            for name in names:
                ct, labels = (pattern.replace(CASE, name) for pattern in (entry.ct, entry.labels))
                found.setdefault(name, LabelledCase(name, ct, labels, entry.classes))
        return [found[name] for name in sorted(found)]


def read_class_table(classes: str | Path) -> ClassTable:
    """Read a class table.

    Args:
        classes: a .json file, or the name of a packaged one ("shared", "tptbox").

    Raises:
        InputError: there is no such file or name, or the table is broken (what is wrong in it is said).
    """
    path = Path(classes)
    if path.suffix != ".json":
        path = _PACKAGED / f"{classes}.json"
        if not path.is_file():
            names = ", ".join(sorted(file.stem for file in _PACKAGED.glob("*.json")))
            raise InputError(
                f'There is no class table "{classes}". Give a file that ends in .json, or the name of one that is '
                f"packaged: {names}."
            )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f'There is no class table "{path}". Check the path.') from None
    except OSError as error:
        raise InputError(f'The class table "{path}" cannot be read ({error.strerror}).') from error
    except ValueError as error:  # JSON or UTF-8
        raise InputError(f'The class table "{path}" is not JSON: {error}.') from error
    try:
        return _table(content)
    except _BrokenTable as error:
        raise InputError(
            f'The class table "{path}" is broken: {error}. The format is described in {Path(__file__).name}.'
        ) from None


class _BrokenTable(Exception):
    pass


def _table(content: Any) -> ClassTable:
    content = _object(content, "the file")
    if content.get("format") != FORMAT:
        raise _BrokenTable(f'"format" is {content.get("format")!r}, and this program reads {FORMAT}')
    data = _text(content.get("data"), '"data"')
    tables = {
        name: {_value(value, name): _label_class(known, name, value) for value, known in _object(table, name).items()}
        for name, table in _object(content.get("tables"), '"tables"').items()
    }
    for name, table in tables.items():
        names = [known.name for known in table.values() if known]
        if twice := next((one for one in names if names.count(one) > 1), None):
            raise _BrokenTable(f'the table "{name}" has the structure "{twice}" twice')
    entries = content.get("cases")
    if not isinstance(entries, list) or not entries:
        raise _BrokenTable('"cases" is not a list with at least one entry')
    return ClassTable(data, tuple(_entry(entry, tables) for entry in entries))


def _entry(entry: Any, tables: Mapping[str, Mapping[int, LabelClass | None]]) -> LabelledCase:
    entry = _object(entry, "an entry of cases")
    ct, labels = (_file(entry.get(key), key) for key in ("ct", "labels"))
    if (CASE in ct) != (CASE in labels):
        raise _BrokenTable(f'"{ct}" and "{labels}" are a pattern only if both have {CASE}')
    if (CASE in ct) == ("case" in entry):
        raise _BrokenTable(f'"{ct}" needs either the name of its "case" or {CASE} in its file names')
    case = CASE if CASE in ct else _text(entry["case"], '"case"')
    if "/" in case:
        raise _BrokenTable(f'the case "{case}" has a "/" in its name')
    table = _text(entry.get("table"), f'"table" of "{ct}"')
    if table not in tables:
        raise _BrokenTable(f'"{ct}" has the table "{table}", and there are only: {", ".join(tables)}')
    return LabelledCase(case, ct, labels, tables[table])


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise _BrokenTable(f"{what} is not an object with at least one key")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _BrokenTable(f"{what} is not a text")
    return value


def _value(text: str, table: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise _BrokenTable(f'"{text}" in the table "{table}" is not a label: labels are whole numbers above zero')
    return int(text)


def _label_class(known: Any, table: str, value: str) -> LabelClass | None:
    if known is None:
        return None
    if not isinstance(known, dict) or set(known) != {"name", "bone"}:
        raise _BrokenTable(f'label {value} of the table "{table}" needs "name" and "bone", and nothing else, or null')
    return LabelClass(*(_text(known[key], f'"{key}" of label {value}') for key in ("name", "bone")))


def _file(value: Any, key: str) -> str:
    path = PurePosixPath(_text(value, f'"{key}" of a case'))
    if path.is_absolute() or ".." in path.parts or "\\" in str(path):
        raise _BrokenTable(f'"{path}" is not a file below the data folder, with "/" between folders')
    return str(path)


def _matches(pattern: str, folder: Path) -> Iterator[str]:
    """Give what {case} stands for in each file of a folder that the pattern fits."""
    first, *others = (re.escape(part) for part in pattern.split(CASE))
    expression = first + "([^/]+)" + r"\1".join(others)
    for path in folder.glob("*".join(glob.escape(part) for part in pattern.split(CASE))):
        if match := re.fullmatch(expression, path.relative_to(folder).as_posix()):
            yield match[1]
