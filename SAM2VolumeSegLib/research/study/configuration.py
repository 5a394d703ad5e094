"""One row of a table: how a structure is segmented, and from which prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import STOCK_SAM2, Settings
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.without_model import WITHOUT_MODEL
from SAM2VolumeSegLib.research.study.code import code_digest
from SAM2VolumeSegLib.volume import Plane

METHODS = ("sam2", *WITHOUT_MODEL)


class Mended(NamedTuple):
    """A result that was reviewed, and corrected.

    Attributes:
        by: what says which slice is painted next, one of `mending.ORDERS`.
        slices: that were painted, one after another, each on the result of those before.
    """

    by: str
    slices: int


@dataclass(frozen=True)
class Configuration:
    """How one row of a table is made.

    Attributes:
        name: the row's, as in the paper's table where it has one.
        settings: of the run; its ``margin_mm`` is the margin around the reference's bounding box, which is what the
            model sees (the paper crops to the structure as well). Together it is around what is painted.
        prompts: as `research.study.prompts.paint` takes them.
        prompt_planes: the planes that are prompted.
        model: name of a known model where the row fixes one (Table V), else None: the model of the run.
        image_size: pixels, where the row fixes them, else None.
        method: "sam2", or a baseline without a model.
        shift: voxels [k, j, i] by which the crop is moved.
        together: True segments all drawn structures of a CT in one run, as a user does, who has no reference to crop
            to: what is known of the crop is what is painted. Each run encodes all that it needs, so its time is a
            user's too. False: each structure alone.
        mended: what is done after the run; only together. None: nothing.

    Raises:
        InputError: there is no such method.
    """

    name: str
    settings: Settings = field(default_factory=lambda: STOCK_SAM2)
    prompts: str = "first-middle-last"
    prompt_planes: tuple[Plane, ...] = (Plane.AXIAL,)
    model: str | None = None
    image_size: int | None = None
    method: str = "sam2"
    shift: tuple[int, int, int] = (0, 0, 0)
    together: bool = False
    mended: Mended | None = None

    def __post_init__(self):
        if self.method not in METHODS:
            raise InputError(f"There is no method '{self.method}'. Choose from: {', '.join(METHODS)}.")

    def choices(self) -> dict[str, Any]:
        """All that decides the result, in plain values; the name does not."""
        return {
            "method": self.method,
            "prompts": self.prompts,
            "prompt_planes": [plane.value for plane in self.prompt_planes],
            "settings": self.settings.to_dict() if self.method == "sam2" else None,
            "shift": list(self.shift),
            # Results from before there was a choice are of structures alone.
            **({"together": True} if self.together else {}),
            **({"mended": self.mended._asdict()} if self.mended else {}),
        }


def task_key(
    structure: Structure,
    configuration: Configuration,
    model: dict[str, Any] | None,
    drawn: Sequence[Structure] = (),
) -> str:
    """Return the key of a task, the same on every machine: 16 hexadecimal digits of a SHA-256.

    It covers the files of the structure and of its neighbours, every choice of the configuration, the model and the
    code that decides the result (`code_digest`). Rows of two experiments with equal choices share a key, and are
    computed once.

    Args:
        structure: that is segmented.
        configuration: of the row; its name does not count.
        model: "sha256" and "image_size" of it count, its name does not; None for a method without a model.
        drawn: all structures that were drawn from the CT: some figures are about where they meet, and rows may segment
            them together.
    """
    parts = {
        "ct": structure.ct_sha256,
        "mask": structure.mask_sha256,
        "label": structure.label,
        "drawn": [[one.mask_sha256, one.label] for one in drawn],
        "choices": configuration.choices(),
        "model": None if model is None else [model["sha256"], model["image_size"]],
        "code": code_digest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
