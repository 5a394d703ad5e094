"""What the model sees of a run: intensity window, crops, pictures and spans. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.pictures import LOGIT_STRIDE, Intensities, PlanePictures
from SAM2VolumeSegLib.propagation.request import Seeds
from SAM2VolumeSegLib.propagation.settings import Settings
from SAM2VolumeSegLib.seeds import SeedSlice, is_painted, painted_box
from SAM2VolumeSegLib.volume import Box, Plane, Volume, Window


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
    seen as the others are; where nothing is painted, or each segment has its own crop, it is the whole volume.
    """

    def __init__(
        self,
        volume: Volume,
        seeds: Seeds,
        settings: Settings,
        image_size: int,
        logit_stride: int = LOGIT_STRIDE,
    ):
        """Nothing is computed yet.

        Args:
            volume: the CT.
            seeds: by segment.
            settings: every choice of the run.
            image_size: pixels along each side of the model's input.
            logit_stride: pixels of the input that one of the network's logits stands for.
        """
        self.volume, self.seeds, self.settings, self.image_size = volume, seeds, settings, image_size
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
        """The segments that are painted; those of a group share a crop."""
        painted = tuple(name for name, own in self.seeds.items() if is_painted(own))
        if self.settings.crop_each:
            return tuple((name,) for name in painted)
        return (painted,) if painted else ()

    def crop(self, segment: str) -> Box | None:
        """The box of voxels that is seen of a segment: around what is painted, or the region of interest.

        Returns:
            None where nothing is painted that a crop could be made around.

        Raises:
            InputError: the region of interest holds no voxel of the volume.
        """
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
        view, box = self.volume.view(plane), self.crop(segment)
        ends = 0, view.count - 1
        if self.settings.roi is not None and box is not None:
            first, last = sorted(view.order.index(index) for index in (box.lower[view.axis], box.upper[view.axis] - 1))
            ends = first, last
        painted = {view.order.index(seed.index): not seed.absent for seed in self.seeds_on(segment, plane)}
        return span_of(painted, ends, self.settings.extend)

    def stops(self, segment: str, plane: Plane) -> Stops:
        """The slices that are visited along an axis of ``planes_of``: one at each pace, and all seeds.

        Raises:
            InputError: As ``crop``.
        """
        view = self.volume.view(plane)
        seeded = [view.order.index(seed.index) for seed in self.seeds_on(segment, plane)]
        return Stops.of(self.span(segment, plane), seeded, self.settings.every(view.slice_mm))

    def has_intensities_of(self, other: Sight | None) -> bool:
        """Whether another sight has the same voxels in 0..1."""
        return other is not None and (
            (self.volume, self.window, self.settings.clahe) == (other.volume, other.window, other.settings.clahe)
        )

    def share_intensities(self, other: Sight) -> None:
        """Take over what another sight, which has the same, has computed of the whole volume (CLAHE)."""
        self.intensities = other.intensities

    def _group(self, segment: str) -> tuple[str, ...]:
        """Those that share a segment's crop. One without paint is seen with the others, unless each has its own."""
        if self.settings.crop_each:
            return (segment,) if (segment,) in self.groups else ()
        return self.groups[0] if self.groups else ()

    def _crop_of(self, group: tuple[str, ...]) -> Box:
        if self.settings.roi is not None:
            return _clipped(self.settings.roi, self.volume)
        painted = painted_box([seed for name in group for seed in self.seeds[name]], self.volume)
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
