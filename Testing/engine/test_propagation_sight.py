"""What the model sees of a run: which slices are propagated through, on any storage order. Crops: see test_estimate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings, Sight
from SAM2VolumeSegLib.propagation.sight import Span, Stops
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


@st.composite
def spans(draw):
    """A span, positions in it that have to be visited, and how many slices a cell has."""
    first = draw(st.integers(0, 200))
    span = Span(first, first + draw(st.integers(0, 100)))
    return span, draw(st.sets(st.integers(span.first, span.last), max_size=8)), draw(st.integers(1, 7))


@given(spans())
def test_every_seed_is_a_stop_and_no_gap_is_longer_than_two_cells(case):
    """What a user painted is never interpolated over, and what is interpolated lies close to what was predicted."""
    span, needed, every = case
    stops = Stops.of(span, needed, every)
    assert needed | {span.first, span.last} <= set(stops.positions) <= set(span.positions)
    assert list(stops.positions) == sorted(set(stops.positions))
    assert all(np.diff(stops.positions) < 2 * every)
    assert len(stops.positions) <= (span.slices - 1) // every + 2 + len(needed)
    assert [stops.position(stops.number(position)) for position in stops.positions] == list(stops.positions)
    assert [stops.position(stop) for stop in stops.span.positions] == list(stops.positions)
    if every == 1:
        assert stops.span == span and list(stops.positions) == list(span.positions), "every slice, under its position"


@given(spans(), st.data())
def test_a_new_seed_moves_no_stop_but_that_of_its_cell(case, data):
    """Else every correction would shift all stops, and compute the whole axis again."""
    span, needed, every = case
    new = data.draw(st.integers(span.first, span.last))
    before, after = Stops.of(span, needed, every), Stops.of(span, needed | {new}, every)
    others = [position for position in before.positions if position // every != new // every]
    assert others == [position for position in after.positions if position // every != new // every]
    if not any(position // every == new // every for position in {span.first, span.last, *needed}):
        assert [before.number(position) for position in others] == [after.number(position) for position in others]


def test_an_axis_is_visited_at_the_pace():
    """Cells are counted from the volume's first slice, so segments that share a crop share slices, too."""
    sight = a_sight(1, 1, 8, pace_mm=3.0)
    assert sight.stops("L3", Plane.AXIAL) == Stops((1, 4, 8), 0)
    assert a_sight(1, 1, 8, pace_mm=0.0).stops("L3", Plane.AXIAL) == Stops(tuple(range(1, 9)), 1)
