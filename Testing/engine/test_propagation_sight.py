"""What the model sees of a run: which slices are propagated through, on any storage order. Crops: see test_estimate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings, Sight
from SAM2VolumeSegLib.propagation.sight import Span, Stops
from SAM2VolumeSegLib.seeds import SeedSlice, painted_box
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
    assert a_sight(step, 4, 5, roi=part).span("L3", Plane.AXIAL) == upwards
    assert a_sight(step, 4, 5, roi=part, extend=False).span("L3", Plane.AXIAL).slices == 2


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
    sight = a_sight(1, 1, 8, pace_mm=3.0, extend=False)
    assert sight.stops("L3", Plane.AXIAL) == Stops((1, 4, 8), 0)
    assert a_sight(1, 1, 8, pace_mm=0.0, extend=False).stops("L3", Plane.AXIAL) == Stops(tuple(range(1, 9)), 1)


@st.composite
def painted_volumes(draw):
    """A box painted on slices of some planes of a volume that is stored in any way, and slices declared absent."""
    shape = tuple(draw(st.integers(8, 30)) for _ in range(3))
    spacing = [draw(st.sampled_from([0.5, 1.0, 2.5, 6.0])) for _ in range(3)]
    matrix = np.eye(4)
    for row, column in enumerate(draw(st.permutations(range(3)))):
        matrix[row, row], matrix[row, column] = 0, spacing[column] * draw(st.sampled_from([-1, 1]))
    volume = Volume(np.zeros(shape, dtype=np.int16), matrix, "CT")
    sides = [sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*side) for side in sides)] = True
    seeds = []
    for plane in draw(st.lists(st.sampled_from(list(Plane)), min_size=1, unique=True)):
        view = volume.view(plane)
        inside = st.integers(sides[view.axis][0], sides[view.axis][1] - 1)
        indices = draw(st.sets(inside, min_size=1, max_size=3))
        outside = set(range(view.count)) - set(range(*sides[view.axis]))
        absent = draw(st.sets(st.sampled_from(sorted(outside)), max_size=2)) if outside else set()
        seeds += [SeedSlice(plane, index, np.array(view.slice(mask, index))) for index in sorted(indices | absent)]
    return volume, seeds


@given(painted_volumes(), st.sampled_from([0.0, 4.0, 40.0]))
def test_a_structure_is_looked_for_no_further_than_said_whatever_the_storage(case, margin_mm):
    """5 mm beyond what is painted, or 15 where few planes are; an absent slice ends it: else it leaks into the next.

    Along an axis without painted slices the margin says it: that is what the others see.
    """
    volume, seeds = case
    sight = Sight(volume, {"L3": seeds}, Settings(margin_mm=margin_mm), 64)
    reach, painted = sight.reach("L3"), painted_box(seeds, volume)
    planes = {seed.plane for seed in seeds if not seed.absent}
    for view in map(volume.view, Plane):
        axis = view.axis
        limit = 5.0 if planes >= set(Plane) - {view.plane} else 15.0
        limit = limit if view.plane in planes else margin_mm
        # Rounded up to whole voxels, as every margin is.
        most = np.ceil(limit / view.slice_mm - 1e-6)
        absent = {seed.index for seed in seeds if seed.absent and seed.plane is view.plane}
        below, beyond = painted.lower[axis] - reach.lower[axis], reach.upper[axis] - painted.upper[axis]
        assert 0 <= below <= most and 0 <= beyond <= most
        before = [index for index in absent if index < painted.lower[axis]]
        behind = [index for index in absent if index >= painted.upper[axis]]
        # The absent slice itself is the last one: nothing is painted on it, and nothing is claimed.
        first = max([0, painted.lower[axis] - most, *before])
        last = min([view.count - 1, painted.upper[axis] - 1 + most, *behind])
        assert (reach.lower[axis], reach.upper[axis] - 1) == (first, last)
        if view.plane in planes:
            span = sight.span("L3", view.plane)
            ends = sorted(view.order[position] for position in (span.first, span.last))
            outer = [seed.index for seed in seeds if seed.plane is view.plane]
            assert min(first, *outer) <= ends[0] and ends[1] <= max(last, *outer)


@given(painted_volumes(), st.sampled_from([0.0, 4.0, 40.0]))
def test_without_an_extension_the_paint_bounds_a_structure_along_the_axes_that_have_two_painted_slices(case, margin_mm):
    """Who painted the ends has said where they are; an axis with a single painted slice goes on as it always does."""
    volume, seeds = case
    sight = Sight(volume, {"L3": seeds}, Settings(margin_mm=margin_mm, extend=False), 64)
    extended = Sight(volume, {"L3": seeds}, Settings(margin_mm=margin_mm), 64)
    reach, crop = sight.reach("L3"), sight.crop("L3")
    for view in map(volume.view, Plane):
        axis, own = view.axis, [seed for seed in seeds if seed.plane is view.plane]
        if sum(not seed.absent for seed in own) == 1:
            like = extended.reach("L3")
            assert (reach.lower[axis], reach.upper[axis]) == (like.lower[axis], like.upper[axis])
        elif not own:
            assert (reach.lower[axis], reach.upper[axis]) == (crop.lower[axis], crop.upper[axis])
        if sum(not seed.absent for seed in own) > 1:
            span = sight.span("L3", view.plane)
            ends = sorted(view.order[position] for position in (span.first, span.last))
            assert ends == [min(seed.index for seed in own), max(seed.index for seed in own)]
            box = painted_box(seeds, volume)
            assert (reach.lower[axis], reach.upper[axis]) == (box.lower[axis], box.upper[axis])


@given(painted_volumes(), st.data())
def test_a_region_of_interest_is_the_limit(case, data):
    """Who drew a box said where the structure ends: neither 5 mm nor 15 mm count then."""
    volume, seeds = case
    sides = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in
             volume.voxels.shape]  # fmt: skip
    roi = Box(*(tuple(side[end] for side in sides) for end in (0, 1)))
    painted = [seed for seed in seeds if not seed.absent]
    assert Sight(volume, {"L3": painted}, Settings(roi=roi), 64).reach("L3") == roi
