"""Every choice of a run. The defaults are the paper's best, or this project's where the paper says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policies import policy_from_dict
from SAM2VolumeSegLib.model.policy import MemoryPolicy, known_values
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory
from SAM2VolumeSegLib.volume import Box, Plane, Window
from SAM2VolumeSegLib.volume.planes import triple

DIRECTIONS = {
    "forward-backward": _("Both ways, averaged"),
    "forward": _("Forward (up, front, right)"),
    "backward": _("Backward (down, back, left)"),
}
FUSIONS = {"nearness": _("Nearer seeds count more"), "mean": _("Plain average")}
CROPS = {
    "auto": _("Shared where that is as sharp"),
    "shared": _("One picture for all segments"),
    "each": _("A picture for each segment"),
}
"""What can be chosen, the default first, and how it is shown."""


@dataclass(frozen=True)
class Settings:
    """How a volume is segmented. What a person is told of each choice, and its range, stands in `choices.CHOICES`.

    Attributes:
        window: name of an intensity window (``volume.WINDOWS``), "min-max" (the paper's "no preprocessing"), or
            (lower, upper) in HU.
        clahe: equalise contrast after the window.
        planes: the axes that propagate; None takes every axis that has seeds.
        margin_mm: what the model sees around the seeds.
        roi: a box of voxels in place of seeds and margin.
        crop: one of `CROPS`. "each" gives each segment its own crop (sharper, but every slice is encoded once per
            segment), "shared" one to all of them; with "auto" segments share one where each is seen nearly as sharp in
            it as in its own, see `sight.COARSER`.
        memory: what a slice may look at.
        direction: one of `DIRECTIONS`: forward goes to superior, anterior, right.
        fusion: one of `FUSIONS`: how the votes of axes and directions are averaged. "mean" is the paper's plain mean;
            "nearness" weights each by the inverse of the distance to the seed that it came from, because errors add up
            on the way.
        edges: move the surface to the CT's own edges, see `edges`.
        drop_islands: remove parts of the result that are not connected to anything painted.
        extend: go on beyond the first and the last seed of an axis until the structure is gone; no further than
            `Sight.reach`. An axis with a single painted slice always does, because there is nothing between.
        passes: 2 repeats each propagation with the most confident slice of every gap as an extra prompt.
        pace_mm: distance of the slices that are predicted along an axis, as near as whole slices come to it; those
            between are interpolated, and painted ones are always visited. 0 predicts every slice, as the paper does.

    Raises:
        InputError: a value is not one of these.
    """

    window: str | tuple[float, float] = "bone"
    clahe: bool = False
    planes: tuple[Plane, ...] | None = None
    margin_mm: float = 15.0
    roi: Box | None = None
    crop: str = "auto"
    memory: MemoryPolicy = field(default_factory=VolumeMemory)
    direction: str = "forward-backward"
    fusion: str = "nearness"
    edges: bool = True
    drop_islands: bool = True
    extend: bool = True
    passes: int = 1
    pace_mm: float = 1.5

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise InputError(
                _("The direction is '{direction}'; it must be one of: {directions}.").format(
                    direction=self.direction, directions=", ".join(DIRECTIONS)
                )
            )
        if self.fusion not in FUSIONS:
            raise InputError(
                _("The fusion is '{fusion}'; it must be one of: {fusions}.").format(
                    fusion=self.fusion, fusions=", ".join(FUSIONS)
                )
            )
        if self.crop not in CROPS:
            raise InputError(
                _("The crop is '{crop}'; it must be one of: {crops}.").format(crop=self.crop, crops=", ".join(CROPS))
            )
        if not isinstance(self.memory, MemoryPolicy):
            raise InputError(
                _("The memory is {memory!r}; it must be a memory policy, such as VolumeMemory().").format(
                    memory=self.memory
                )
            )
        if self.roi is not None and not isinstance(self.roi, Box):
            raise InputError(_("The region of interest is {roi!r}; it must be a Box.").format(roi=self.roi))
        if self.passes not in (1, 2):
            raise InputError(_("The number of passes is {passes}; it must be 1 or 2.").format(passes=self.passes))
        if not 0 <= self.margin_mm < float("inf"):
            raise InputError(_("The margin is {margin_mm} mm; it must be 0 or more.").format(margin_mm=self.margin_mm))
        if not 0 <= self.pace_mm < float("inf"):
            raise InputError(_("The pace is {pace_mm} mm; it must be 0 or more.").format(pace_mm=self.pace_mm))
        if self.planes is not None:
            object.__setattr__(self, "planes", tuple(_plane(plane) for plane in self.planes))
            if not self.planes or len(set(self.planes)) < len(self.planes):
                raise InputError(_("Name each axis once: one or more of axial, coronal, sagittal."))
        if isinstance(self.window, str):
            if self.window != "min-max":
                Window.named(self.window)
        else:
            object.__setattr__(self, "window", _limits(self.window))

    def every(self, slice_mm: float) -> int:
        """Return every how many slices one is predicted: as many as come nearest to the pace.

        Args:
            slice_mm: distance between two slices.
        """
        # Midway, as with slices of 1 mm and a pace of 1.5 mm, the closer ones, also where 1 mm is stored as 0.9999.
        return max(1, math.ceil(self.pace_mm / slice_mm - 0.501))

    def window_for(self, voxels: np.ndarray) -> Window:
        """Return the intensity window in HU for a CT's voxels, the same for every slice of every axis."""
        if self.window == "min-max":
            return Window.min_max(voxels)
        return Window.named(self.window) if isinstance(self.window, str) else Window(*self.window)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `from_dict` reads them."""
        values = asdict(self) | {"memory": self.memory.to_dict()}
        values["planes"] = None if self.planes is None else [plane.value for plane in self.planes]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Return the settings of `to_dict`'s values; what is missing has its default.

        What an older version wrote as ``crop_each``, True or False, is "each" or "shared".

        Raises:
            InputError: an unknown name, or a value that cannot be used.
        """
        if "crop_each" in values:
            values = {"crop": "each" if values["crop_each"] else "shared"} | dict(values)
            del values["crop_each"]
        values = known_values(cls, values)
        try:
            if isinstance(values.get("memory"), Mapping):
                values["memory"] = policy_from_dict(values["memory"])
            if isinstance(values.get("roi"), Mapping):
                values["roi"] = Box(*(triple(values["roi"][side]) for side in ("lower", "upper")))
            return cls(**values)
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(
                _("The settings hold a value of another kind than they need ({reason}).").format(reason=error)
            ) from error


def _limits(window: Iterable[float]) -> tuple[float, float]:
    try:
        lower, upper = (float(limit) for limit in window)
    except (TypeError, ValueError):
        raise InputError(
            _("The window {window!r} is neither a name nor a lower and an upper limit in HU.").format(window=window)
        ) from None
    Window(lower, upper)
    return lower, upper


def _plane(plane: Plane | str) -> Plane:
    try:
        return Plane(plane)
    except ValueError:
        raise InputError(
            _("There is no axis '{plane}'. Choose from: axial, coronal, sagittal.").format(plane=plane)
        ) from None


RECOMMENDED = Settings()
PAPER = replace(RECOMMENDED, fusion="mean", edges=False, drop_islands=False, extend=False, pace_mm=0.0)
"""The paper's best: IS + SPS, a plain mean over the axes, every slice predicted, nothing done to the result."""
STOCK_SAM2 = replace(PAPER, memory=STOCK, planes=(Plane.AXIAL,), direction="forward")
"""SAM2 as a video model, for comparison: the axial axis alone, all six recent slices and every prompt in memory."""
