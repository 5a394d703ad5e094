"""What the model sees of a run: which slices are propagated through, on any storage order. Crops: see test_estimate."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings, Sight
from SAM2VolumeSegLib.propagation.sight import Span
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane, Volume


def a_sight(step, *indices, absent=(), **chosen):
    """Ten axial slices, stored upwards (step 1) or downwards (-1), a square painted on some."""
    mask = np.zeros((12, 14), dtype=bool)
    mask[3:9, 5:10] = True
    volume = Volume(np.zeros((10, 12, 14), dtype=np.int16), np.diag([1.0, 1.0, step, 1.0]), "CT")
    seeds = [SeedSlice(Plane.AXIAL, index, mask if index not in absent else np.zeros_like(mask)) for index in indices]
    return Sight(volume, {"L3": seeds}, Settings(**chosen), 64)


@pytest.mark.parametrize(("step", "upwards"), [(1, Span(1, 7)), (-1, Span(2, 8))])
def test_an_extension_ends_with_the_region_of_interest(step, upwards):
    """Else a user who drew a box would wait for slices that are outside of it."""
    part = Box((1, 0, 0), (8, 12, 14))
    assert a_sight(step, 4).span("L3", Plane.AXIAL) == Span(0, 9)
    assert a_sight(step, 4, roi=part).span("L3", Plane.AXIAL) == upwards
    assert a_sight(step, 4, 5, roi=part, extend=True).span("L3", Plane.AXIAL) == upwards
    assert a_sight(step, 4, 5, roi=part).span("L3", Plane.AXIAL).slices == 2


@pytest.mark.parametrize(("step", "expected"), [(1, Span(0, 6)), (-1, Span(3, 9))])
def test_a_slice_declared_absent_ends_it_on_its_side(step, expected):
    assert a_sight(step, 4, 6, absent=(6,)).span("L3", Plane.AXIAL) == expected


def test_only_painted_axes_that_are_switched_on_are_propagated_along():
    """On an axis with nothing but "absent here" there is nothing to carry."""
    assert a_sight(1, 4).planes_of("L3") == [Plane.AXIAL]
    assert a_sight(1, 4, absent=(4,)).planes_of("L3") == []
    assert a_sight(1, 4, planes=("coronal",)).planes_of("L3") == []


def test_a_region_of_interest_beside_the_volume_is_told():
    with pytest.raises(InputError, match='region of interest holds no voxel of "CT"'):
        a_sight(1, 4, roi=Box((40, 0, 0), (50, 9, 9))).crop("L3")
