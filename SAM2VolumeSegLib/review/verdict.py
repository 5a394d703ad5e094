"""What a person says of a segment after looking at it. It is kept in tags of the segment, and saved with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import unquote

from SAM2VolumeSegLib.i18n import tr as _

DECISIONS = {"accept": _("Accept"), "fix": _("Fix"), "reject": _("Reject")}
"""What can be decided, and how it is shown."""
STARS = 5
_TAG = "SAM2VolumeSeg.Review."
_ESCAPES = str.maketrans({mark: f"%{ord(mark):02X}" for mark in "%|\n\r"})


@dataclass(frozen=True)
class Verdict:
    """A verdict. What was not said is empty, and 0 stars.

    Attributes:
        decision: a name of `DECISIONS`, or "".
        stars: 1 (worst) to 5 (best), or 0.
        comment: in the reviewer's words.
        reviewer: who said it.
        time: when, as ISO 8601 has it.
        program: name and version of what it was said with.
    """

    decision: str = ""
    stars: int = 0
    comment: str = ""
    reviewer: str = ""
    time: str = ""
    program: str = ""

    @property
    def is_given(self) -> bool:
        """Whether something was said of the segment."""
        return bool(self.decision or self.stars or self.comment)

    def tags(self) -> dict[str, str]:
        """The verdict as tags of a segment: plain text, in which what separates tags in a file is escaped ("%7C")."""
        said = {field.name: str(getattr(self, field.name) or "") for field in fields(self)}
        return {f"{_TAG}{name.capitalize()}": text.translate(_ESCAPES) for name, text in said.items()}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Verdict:
        """Read the tags of a segment. What is not there, or was not written by ``tags``, counts as not said."""
        said = {field.name: unquote(tags.get(f"{_TAG}{field.name.capitalize()}", "")) for field in fields(cls)}
        stars = said.pop("stars")
        if said["decision"] not in DECISIONS:
            said["decision"] = ""
        return cls(stars=int(stars) if stars in {str(n) for n in range(1, STARS + 1)} else 0, **said)

    @classmethod
    def from_text(cls, text: str) -> Verdict:
        """Read the tags of a segment as a ``.seg.nrrd`` has them: ``"key:value|"``."""
        pairs = (pair.partition(":") for pair in text.split("|"))
        return cls.from_tags({key: value for key, colon, value in pairs if colon})
