"""The paper's ten bone classes and what belongs to each (arXiv:2603.23116, Table III)."""

from __future__ import annotations

BONES: dict[str, tuple[str, ...]] = {
    "Vertebrae": tuple(
        f"vertebrae_{part}{number}"
        for part, count in (("C", 7), ("T", 12), ("L", 5), ("S", 1))
        for number in range(1, count + 1)
    ),
    "Rib": tuple(f"rib_{side}_{number}" for side in ("left", "right") for number in range(1, 13)),
    "Humerus": ("humerus_left", "humerus_right"),
    "Clavicle": ("clavicula_left", "clavicula_right"),
    "Hip": ("hip_left", "hip_right"),
    "Scapula": ("scapula_left", "scapula_right"),
    "Femur": ("femur_left", "femur_right"),
    "Sacrum": ("sacrum",),
    "Sternum": ("sternum",),
    "Skull": ("skull",),
}
"""Class to its structures, in the order of the paper's Tables IV and VII. The names are those of TotalSegmentator's
mask files. Version 1 has no vertebrae_S1, sternum and skull; version 2 has all, and vertebrae_S1 beside the sacrum."""

_BONE_OF = {name: bone for bone, names in BONES.items() for name in names}


def bone_of(name: str) -> str | None:
    """Return the class of a structure with TotalSegmentator's name ("vertebrae_L3"), None when it has none."""
    return _BONE_OF.get(name)


def in_order(bones) -> list[str]:
    """Return class names without repetition: the paper's ten as in its tables, then others by name."""
    found = set(bones)
    return [bone for bone in BONES if bone in found] + sorted(found - set(BONES))
