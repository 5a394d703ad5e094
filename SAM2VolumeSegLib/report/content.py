"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from SAM2VolumeSegLib.review import Comparison, Review, Verdict
from SAM2VolumeSegLib.volume import BoxMask, Volume, Window


@dataclass(frozen=True, eq=False)
class Report:
    """A review, and what belongs to it, for somebody who was not there.

    Attributes:
        case: what the case is called.
        volume: the CT.
        window: in which it is shown.
        review: of the masks that are judged.
        verdicts: of a person, by segment; a segment may have none.
        before: earlier masks of segments, which are shown beside those that are judged.
        propagated: of an audit, the masks beside those that were propagated from their own slices; None: no audit.
        reference: the masks beside a reference; None: there is none.
        done: what was done, a sentence each.
        sources: which files went in, by what they are.
        provenance: how the result was made, as its file has it, and what ran for the review; values that JSON holds.
    """

    case: str
    volume: Volume
    window: Window
    review: Review
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    before: Mapping[str, BoxMask] = field(default_factory=dict)
    propagated: Comparison | None = None
    reference: Comparison | None = None
    done: Sequence[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_audit(self) -> bool:
        """Whether a segmentation is judged by its own slices."""
        return self.propagated is not None

    def verdict(self, name: str) -> Verdict:
        """The verdict of a segment; one that says nothing, where there is none."""
        return self.verdicts.get(name, Verdict())
