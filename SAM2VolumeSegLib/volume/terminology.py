"""Standard names of structures: SNOMED CT codes, written as Slicer's segments keep them.

A name is what a user typed; a code is what a DICOM segmentation, a search, or another program understands.
"""

from __future__ import annotations

_LIST = "Segmentation category and type - 3D Slicer General Anatomy list"
_TISSUE, _STRUCTURE = "SCT^85756007^Tissue", "SCT^123037004^Anatomical Structure"


def _entry(category: str, kind: str) -> str:
    """A terminology entry without modifier and anatomic region."""
    return f"{_LIST}~{category}~{kind}~^^~Anatomic codes - DICOM master list~^^~^^"


TISSUE = _entry(_TISSUE, _TISSUE)
"""What Slicer gives a segment of which nothing is known."""
BONE = _entry(_TISSUE, "SCT^272673000^Bone")
VERTEBRAE = {
    name: _entry(_STRUCTURE, f"SCT^{code}^{name} vertebra")
    for name, code in (
        ("L1", 66794005),
        ("L2", 14293000),
        ("L3", 36470004),
        ("L4", 11994002),
        ("L5", 49668003),
    )
}
"""Of the lumbar vertebrae, by name."""


def as_tags(entry: str) -> str:
    """An entry as the tags of a segment, see `Segment.tags`."""
    return f"TerminologyEntry:{entry}|"
