"""What a run is for. It is made in one place, before a model is loaded, and says there what cannot be propagated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation.settings import RECOMMENDED, Settings
from SAM2VolumeSegLib.seeds import Marks, SeedSlice, SlicePlace, is_painted
from SAM2VolumeSegLib.volume import Box, Plane, Volume

Seeds = Mapping[str, Sequence[SeedSlice]]
"""Seeds by the key of their segment."""


@dataclass(frozen=True, eq=False)
class Request:
    """A volume, the seeds of each segment and the settings of a run. Made by ``of``, which checks them.

    Attributes:
        volume: the CT.
        seeds: those that the run takes, by the key of their segment (in Slicer its ID); each segment is painted.
        settings: every choice of the run.
        names: by key a name that no other segment has; results and progress are by these.
        fingerprint: of the volume when the request was made.
        around: by name of a segment, the seeds that crop and reach are made around; None: those that the run takes. A
            run that leaves some out then sees the same pictures, and what the model said along other axes is known.
        within: only these voxels are asked for: walks end where they have passed them, nothing outside is claimed, and
            inside it is what a whole run claims, but for islands, and surfaces near the border. None: all.
    """

    volume: Volume
    seeds: Mapping[str, tuple[SeedSlice, ...]]
    settings: Settings
    names: Mapping[str, str]
    fingerprint: str
    around: Seeds | None = None
    within: Box | None = None

    @classmethod
    def of(
        cls,
        volume: Volume,
        seeds: Seeds,
        settings: Settings = RECOMMENDED,
        *,
        marks: Marks | None = None,
        wanted: Iterable[str] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> Request:
        """Make the request for a run.

        Args:
            volume: the CT.
            seeds: as they were found or simulated, by the key of their segment.
            settings: every choice of the run.
            marks: the user's say over the seeds.
            wanted: keys of the segments to propagate; None takes all but those whose every painted slice is skipped.
            names: by key what a segment is called; without it, by its key. Equal names are numbered: "bone (2)".

        Raises:
            InputError: there is nothing to propagate, or not in a wanted segment; something is painted on a slice that
                is marked absent; a seed does not lie on the volume's grid; or a slice has two.
        """
        seeds = {key: tuple(own) for key, own in seeds.items()}
        if not seeds:
            raise InputError(_("Nothing is painted. Paint the structure on at least one slice, and propagate again."))
        asked_for = None if wanted is None else list(wanted)
        if asked_for == []:
            raise InputError(_("No segment is chosen. Choose at least one, and propagate again."))
        names = {key: key for key in (*seeds, *(asked_for or ()))} | dict(names or {})
        for key in seeds if asked_for is None else asked_for:
            _check(volume, seeds.get(key, ()), names[key])
        used = {}
        for key, found in seeds.items():
            if asked_for is not None and key not in asked_for:
                continue
            own = found if marks is None else marks.applied(key, found, volume)
            if is_painted(own):
                used[key] = tuple(own)
            elif asked_for is not None:  # who skips every slice of a segment does not want it, unless it was asked for
                raise InputError(
                    _('Every painted slice of "{name}" is switched off. Switch at least one on.').format(
                        name=names[key]
                    )
                )
        if not used:
            raise InputError(_("Every painted slice is switched off. Switch at least one on, and propagate again."))
        unique = _unique({key: names[key] for key in used})
        planes = settings.planes or tuple(Plane)
        for key, name in unique.items():
            if not is_painted(seed for seed in used[key] if seed.plane in planes):
                axes = ", ".join(plane.value for plane in planes)
                raise InputError(
                    _(
                        '"{name}" has no painted {axes} slice, and only these axes are switched on. Paint one, or '
                        "switch on an axis on which it is painted."
                    ).format(name=name, axes=axes)
                )
        return cls(volume, used, settings, unique, volume.fingerprint())

    @property
    def named_seeds(self) -> dict[str, tuple[SeedSlice, ...]]:
        """The seeds by the name of their segment."""
        return {self.names[key]: own for key, own in self.seeds.items()}

    def leaving_out(self, name: str, place: SlicePlace, within: Box, others: Iterable[str]) -> Request:
        """The request without one of the seeds, for a part of the volume.

        Args:
            name: of the segment that is left without it.
            place: of the seed; the segment is painted on others, too.
            within: what is asked for.
            others: names of the segments that take part.

        Raises:
            InputError: without the seed, nothing is painted on the axes that are switched on.
        """
        names = {key: own for key, own in self.names.items() if own in {name, *others}}
        left_out = next(key for key, own in names.items() if own == name)
        seeds = {key: self.seeds[key] for key in names}
        seeds[left_out] = tuple(seed for seed in seeds[left_out] if (seed.plane, seed.index) != place)
        settings = replace(self.settings, drop_islands=False)  # what is connected, a part of the volume cannot say
        made = Request.of(self.volume, seeds, settings, names=names)
        return replace(made, around=self.named_seeds, within=within)

    def is_about(self, volume: Volume) -> bool:
        """Whether a volume has the voxels and the place that the request was made for."""
        return volume.fingerprint() == self.fingerprint


def _check(volume: Volume, seeds: Sequence[SeedSlice], name: str) -> None:
    """Raise InputError where nothing is painted, or a seed is not on the volume's grid."""
    if not is_painted(seeds):
        raise InputError(
            _('"{name}" is not painted on any slice. Paint it on at least one, or leave it out.').format(name=name)
        )
    places = set()
    for seed in seeds:
        view = volume.view(seed.plane)
        if seed.mask.shape != view.shape or not 0 <= seed.index < view.count:
            raise InputError(
                _(
                    'A seed of "{name}" ({plane} slice {index}) does not lie on the grid of "{volume}". Paint it '
                    "again on this volume."
                ).format(name=name, plane=seed.plane.value, index=seed.index, volume=volume.name)
            )
        if (seed.plane, seed.index) in places:
            raise InputError(
                _('"{name}" has two seeds on {plane} slice {index}. Keep one of them.').format(
                    name=name, plane=seed.plane.value, index=seed.index
                )
            )
        places.add((seed.plane, seed.index))


def _unique(names: Mapping[str, str]) -> dict[str, str]:
    """Number names that occur more than once; a name that somebody gave is not taken for that."""
    result: dict[str, str] = {}
    for key, name in names.items():
        candidate, copies = name, 1
        while candidate in result.values() or (copies > 1 and candidate in names.values()):
            copies += 1
            candidate = f"{name} ({copies})"
        result[key] = candidate
    return result
