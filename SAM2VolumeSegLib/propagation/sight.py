"""What the model sees of a run: intensity window, crops, pictures and spans. No torch here."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.pictures import LOGIT_STRIDE, Intensities, PlanePictures
from SAM2VolumeSegLib.propagation.request import Seeds
from SAM2VolumeSegLib.propagation.settings import Settings
from SAM2VolumeSegLib.seeds import SeedSlice, is_painted, painted_box
from SAM2VolumeSegLib.volume import Box, Plane, SquareWindow, Volume, Window
from SAM2VolumeSegLib.volume.planes import triple

BEYOND_MM = 5.0
"""How far a structure may go beyond its painted box along an axis whose ends the paint of both other planes shows: it
is rarely longest just where it is painted. 15 mm were no better on four CTs, and slower."""
BEYOND_ALONE_MM = 15.0
"""The same where fewer planes are painted, and nobody knows where the structure ends."""
BAND_MM = 10.0
"""How far `edges` can move a surface. The work grows with it; without a limit it was no better on four CTs."""
COARSER = 1.25
"""How many times as large a model pixel may be in a shared crop as in a crop of the segment's own, in mm."""


@dataclass(frozen=True)
class Span:
    """Which positions are propagated through: from `first` to `last`; seeds bound it unless the volume's ends do."""

    first: int
    last: int

    @property
    def slices(self) -> int:
        """Length of the stack, the paper's N in abs(t - p) / N."""
        return self.last - self.first + 1

    @property
    def positions(self) -> range:
        """From `first` to `last`."""
        return range(self.first, self.last + 1)


def span_of(painted: Mapping[int, bool], ends: tuple[int, int], extend: bool) -> Span:
    """The span of an axis.

    A single painted slice always extends. Nothing is looked for beyond an outermost slice that is declared absent.

    Args:
        painted: by the position of each seed, whether something is painted on it (else it is declared absent).
        ends: first and last position; an extension goes no further.
        extend: go on beyond the outermost painted slices.
    """
    first, last = min(painted), max(painted)
    if extend or sum(painted.values()) == 1:
        if painted[first]:
            first = min(first, ends[0])
        if painted[last]:
            last = max(last, ends[1])
    return Span(first, last)


@dataclass(frozen=True)
class Stops:
    """The slices of an axis that a walk visits. Between two of them, logits are interpolated.

    The axis is cut into cells of equally many slices, from the volume's first one on, and each cell has one stop: its
    middle, or in its place every slice in it that has to be visited. So a new seed moves the stop of its own cell, and
    the others stay where they are and keep their numbers; a run after a correction finds them as they were.

    Attributes:
        positions: of the slices, in order.
        first: number of the first stop, that of its cell; the others are counted from there. Where every slice is
            visited, the number of each is its position.
    """

    positions: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, span: Span, needed: Collection[int], every: int) -> Stops:
        """The stops of a span.

        Args:
            span: what is propagated through; its ends are stops.
            needed: positions in the span that have to be visited.
            every: slices of a cell.
        """
        needed = {span.first, span.last, *needed}
        taken = {position // every for position in needed}
        cells = range(span.first // every, span.last // every + 1)
        middles = {cell * every + every // 2 for cell in cells if cell not in taken}
        return cls(tuple(sorted(needed | middles)), span.first // every)

    @property
    def span(self) -> Span:
        """The same in numbers of stops."""
        return Span(self.first, self.first + len(self.positions) - 1)

    def position(self, stop: int) -> int:
        """Where a stop is."""
        return self.positions[stop - self.first]

    def number(self, position: int) -> int:
        """Which stop is at a position, which has one."""
        return self.first + self.positions.index(position)


class Sight:
    """What the model sees of segments. Each part is made when it is first asked for, and once.

    Segments that share a crop share its pictures, as objects: so each slice is encoded once. A segment without paint is
    seen as the others are if all of these share a crop; else, or where nothing is painted, it is the whole volume.
    """

    def __init__(
        self,
        volume: Volume,
        seeds: Seeds,
        settings: Settings,
        image_size: int,
        logit_stride: int = LOGIT_STRIDE,
        around: Seeds | None = None,
        within: Box | None = None,
    ):
        """Nothing is computed yet.

        Args:
            volume: the CT.
            seeds: by segment.
            settings: every choice of the run.
            image_size: pixels along each side of the model's input.
            logit_stride: pixels of the input that one of the network's logits stands for.
            around: see Request.
            within: see Request.
        """
        self.volume, self.seeds, self.settings, self.image_size = volume, seeds, settings, image_size
        self._around = None if around is None else Sight(volume, around, settings, image_size, logit_stride)
        self._within = within
        self._logit_stride = logit_stride
        self._crops: dict[tuple[str, ...], Box] = {}
        self._pictures: dict[tuple[tuple[str, ...], Plane], PlanePictures] = {}

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The axes that are switched on."""
        return self.settings.planes or tuple(Plane)

    @cached_property
    def window(self) -> Window:
        """The intensity window in HU."""
        return self.settings.window_for(self.volume.voxels)

    @cached_property
    def intensities(self) -> Intensities:
        """The voxels in 0..1."""
        return Intensities(self.volume, self.window, self.settings.clahe)

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The segments that are painted; those of a group share a crop. In the order of the seeds."""
        if self._around is not None:
            own = (tuple(name for name in group if name in self.seeds) for group in self._around.groups)
            return tuple(group for group in own if group)
        painted = list(self._painted)
        if self.settings.crop == "each":
            return tuple((name,) for name in painted)
        if self.settings.crop == "shared" or self.settings.roi is not None:
            return (tuple(painted),) if painted else ()
        groups: list[tuple[str, ...]] = []
        for name in sorted(painted, key=self._place):
            for number, group in enumerate(groups):
                if self._is_sharp((*group, name)):
                    groups[number] = tuple(sorted((*group, name), key=painted.index))
                    break
            else:
                groups.append((name,))
        return tuple(sorted(groups, key=lambda group: painted.index(group[0])))

    def crop(self, segment: str) -> Box | None:
        """The box of voxels that is seen of a segment: around what is painted, or the region of interest.

        Returns:
            None where nothing is painted that a crop could be made around.

        Raises:
            InputError: the region of interest holds no voxel of the volume.
        """
        if self._around is not None:
            return self._around.crop(segment)
        group = self._group(segment)
        if group and group not in self._crops:
            self._crops[group] = self._crop_of(group)
        return self._crops.get(group)

    def pictures(self, segment: str, plane: Plane) -> PlanePictures:
        """The slices of a plane as the model sees them for a segment.

        Raises:
            InputError: As ``crop``.
        """
        key = self._group(segment), Plane(plane)
        if key not in self._pictures:
            box = self.crop(segment) or Box.whole(self.volume)
            self._pictures[key] = PlanePictures(self.intensities, key[1], box, self.image_size, self._logit_stride)
        return self._pictures[key]

    def seeds_on(self, segment: str, plane: Plane) -> list[SeedSlice]:
        """The seeds of a segment on the slices of a plane."""
        return [seed for seed in self.seeds[segment] if seed.plane is plane]

    def planes_of(self, segment: str) -> list[Plane]:
        """The axes along which a segment is propagated: those on which it is painted."""
        return [plane for plane in self.planes if is_painted(self.seeds_on(segment, plane))]

    def span(self, segment: str, plane: Plane) -> Span:
        """What is propagated through along an axis of ``planes_of``.

        Raises:
            InputError: As ``crop``.
        """
        view, box = self.volume.view(plane), self._whole_reach(segment)
        first, last = sorted(view.order.index(index) for index in (box.lower[view.axis], box.upper[view.axis] - 1))
        painted = {view.order.index(seed.index): not seed.absent for seed in self.seeds_on(segment, plane)}
        return span_of(painted, (first, last), self.settings.extend)

    def reach(self, segment: str) -> Box:
        """The box of voxels beyond which a segment, which is painted, is not looked for, and not claimed.

        It is the crop, and within what is asked for. Along an axis that goes on beyond its painted slices, it is the
        painted box and what `BEYOND_MM` and `BEYOND_ALONE_MM` say; along one that does not, the painted box; along one
        without painted slices, what the others see: the painted box and the margin. Nothing lies beyond an outermost
        slice that is declared absent.

        Raises:
            InputError: As ``crop``.
        """
        reached = self._whole_reach(segment)
        return reached if self._within is None else reached.meet(self._within)

    def _whole_reach(self, segment: str) -> Box:
        """The same, whatever is asked for."""
        if self._around is not None:
            return self._around.reach(segment)
        own, painted = self.seeds[segment], self._painted[segment]
        box = self._crop_of((segment,))
        lower, upper = list(box.lower), list(box.upper)
        shown = {seed.plane for seed in own if not seed.absent}
        for view in map(self.volume.view, Plane):
            axis, seeds = view.axis, self.seeds_on(segment, view.plane)
            if self.goes_on(segment, view.plane):
                if self.settings.roi is None:
                    beyond = BEYOND_MM if len(shown - {view.plane}) == 2 else BEYOND_ALONE_MM
                    limit = painted.grown(beyond, self.volume)
                    lower[axis], upper[axis] = limit.lower[axis], limit.upper[axis]
            elif is_painted(seeds):
                lower[axis] = max(lower[axis], painted.lower[axis])
                upper[axis] = min(upper[axis], painted.upper[axis])
            absent = [seed.index for seed in seeds if seed.absent]
            lower[axis] = max([lower[axis], *(index for index in absent if index < painted.lower[axis])])
            upper[axis] = min([upper[axis], *(index + 1 for index in absent if index >= painted.upper[axis])])
        return Box(triple(lower), triple(map(max, lower, upper)))  # a region may miss the paint

    def goes_on(self, segment: str, plane: Plane) -> bool:
        """Whether a segment is looked for beyond its painted slices along an axis; False where it has none."""
        count = sum(not seed.absent for seed in self.seeds_on(segment, plane))
        return count == 1 or (count > 1 and self.settings.extend)

    def stops(self, segment: str, plane: Plane) -> Stops:
        """The slices that are visited along an axis of ``planes_of``: one at each pace, and all seeds.

        Raises:
            InputError: As ``crop``.
        """
        view = self.volume.view(plane)
        seeded = [view.order.index(seed.index) for seed in self.seeds_on(segment, plane)]
        return Stops.of(self.span(segment, plane), seeded, self.settings.every(view.slice_mm))

    @property
    def is_of_part(self) -> bool:
        """Whether only some voxels are asked for."""
        return self._within is not None

    def wanted_stops(self, segment: str, plane: Plane) -> range | None:
        """The stops along an axis of ``planes_of`` that say something about what is asked for; None: all do."""
        if self._within is None:
            return None
        box = self.reach(segment)
        if box.is_empty:
            return range(0)
        view, stops = self.volume.view(plane), self.stops(segment, plane)
        first, last = sorted(view.order.index(index) for index in (box.lower[view.axis], box.upper[view.axis] - 1))
        before = max(bisect_right(stops.positions, first) - 1, 0)
        behind = min(bisect_left(stops.positions, last), len(stops.positions) - 1)
        return range(stops.first + before, stops.first + behind + 1)

    def has_intensities_of(self, other: Sight | None) -> bool:
        """Whether another sight has the same voxels in 0..1."""
        return other is not None and (
            (self.volume, self.window, self.settings.clahe) == (other.volume, other.window, other.settings.clahe)
        )

    def share_intensities(self, other: Sight) -> None:
        """Take over what another sight, which has the same, has computed of the whole volume (CLAHE)."""
        self.intensities = other.intensities

    def _group(self, segment: str) -> tuple[str, ...]:
        """Those that share a segment's crop. One without paint is seen with the others, if these share one."""
        for group in self.groups:
            if segment in group:
                return group
        return self.groups[0] if len(self.groups) == 1 and self.settings.crop != "each" else ()

    @cached_property
    def _painted(self) -> dict[str, Box]:
        """The box around what is painted, of each segment that is."""
        return {name: painted_box(own, self.volume) for name, own in self.seeds.items() if is_painted(own)}

    def _place(self, name: str) -> list[int]:
        """From the feet to the head, so that neighbours in a column meet, in whatever order they were painted."""
        box, views = self._painted[name], map(self.volume.view, Plane)
        return [
            end
            for view in views
            for end in sorted(map(view.order.index, (box.lower[view.axis], box.upper[view.axis] - 1)))
        ]

    def _is_sharp(self, group: tuple[str, ...]) -> bool:
        """Whether each segment of a group is seen nearly as sharp as in a crop of its own, wherever it is seen."""
        shared = self._crop_of(group)
        for name in group:
            own = self._crop_of((name,))
            for view in map(self.volume.view, self.planes_of(name)):
                pixel, own_pixel = (SquareWindow.of(view, box, 1).mm_per_px for box in (shared, own))
                if pixel > COARSER * own_pixel * (1 + 1e-9):  # rounding does not decide
                    return False
        return True

    def _crop_of(self, group: tuple[str, ...]) -> Box:
        if self.settings.roi is not None:
            return _clipped(self.settings.roi, self.volume)
        painted = Box.around_boxes([self._painted[name] for name in group])
        return painted.grown(self.settings.margin_mm, self.volume)


def _clipped(roi: Box, volume: Volume) -> Box:
    """The part of a region of interest that the volume has.

    Raises:
        InputError: There is none.
    """
    box = roi.meet(Box.whole(volume))
    if not all(box.shape):
        raise InputError(
            _('The region of interest holds no voxel of "{volume}": move it onto the structure.').format(
                volume=volume.name
            )
        )
    return box
