"""Reading, describing and changing the list of seeds, as the command line does."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds import (
    Marks,
    SeedSlice,
    add_absent,
    describe,
    is_painted,
    paint_seeds,
    painted_box,
    parse_slice,
    typed_marks,
)
from SAM2VolumeSegLib.volume import Box, Plane, Volume


@pytest.fixture
def a_volume():
    """10 axial, 12 coronal, 14 sagittal slices of 2 x 0.5 x 1.5 mm (i, j, k), axial slice 0 at S -20 mm."""
    matrix = np.diag([2.0, 0.5, 1.5, 1.0])
    matrix[:3, 3] = (5, 0, -20)
    return Volume(np.zeros((10, 12, 14), dtype=np.int16), matrix)


@pytest.fixture
def two_seeds(a_volume):
    """An axial seed of 6 x 5 and a coronal seed of 8 x 3 pixels that cross."""
    mask = np.zeros(a_volume.voxels.shape, dtype=bool)
    mask[4, 3:9, 5:10] = True
    axial = SeedSlice(Plane.AXIAL, 4, a_volume.view(Plane.AXIAL).slice(mask, 4).copy())
    mask[:] = False
    mask[1:9, 6, 6:9] = True
    return [axial, SeedSlice(Plane.CORONAL, 6, a_volume.view(Plane.CORONAL).slice(mask, 6).copy())]


def test_a_seed_is_described_in_millimetres(a_volume, two_seeds):
    """A wrong spacing pairing would show a wrong position or area, and the user could not find the slice in Slicer."""
    assert describe(two_seeds[0], a_volume) == "axial slice 4 (I 14.0 mm): 30 mm²"
    assert describe(two_seeds[1], a_volume) == "coronal slice 6 (A 3.0 mm): 72 mm²"
    empty = SeedSlice(Plane.SAGITTAL, 2, np.zeros((10, 12), dtype=bool))
    assert describe(empty, a_volume) == "sagittal slice 2 (R 9.0 mm): absent here"


def test_painting_seeds_back_gives_the_mask_they_came_from(a_volume, two_seeds):
    """Every room above puts the user's voxels back with this; a transposed slice would move what they painted."""
    mask = paint_seeds(two_seeds, a_volume)
    assert mask[4, 3:9, 5:10].all()
    assert mask[1:9, 6, 6:9].all()
    assert np.count_nonzero(mask) == 30 + 24 - 3


def test_slices_are_read_as_the_user_writes_them(a_volume):
    """Capital letters and spaces are no reason to refuse a slice."""
    assert parse_slice("axial:4", a_volume) == (Plane.AXIAL, 4)
    assert parse_slice(" Sagittal : 13", a_volume) == (Plane.SAGITTAL, 13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axail:4", "axial, coronal, sagittal"),
        ("4", "axial, coronal, sagittal"),
        ("coronal", "from 0 to 11"),
        ("coronal:x", "from 0 to 11"),
        ("axial:10", "from 0 to 9"),
        ("axial:-1", "from 0 to 9"),
    ],
)
def test_a_slice_that_does_not_exist_says_which_do(a_volume, text, message):
    """A negative or mistyped number must not quietly mean another slice."""
    with pytest.raises(InputError, match=message):
        parse_slice(text, a_volume)


def test_the_box_around_seeds_is_that_of_their_voxels(a_volume, two_seeds):
    """The model's crop is made around it: a flipped axis would cut the structure off."""
    assert painted_box(two_seeds, a_volume) == Box.of(paint_seeds(two_seeds, a_volume))
    empty = SeedSlice(Plane.AXIAL, 9, np.zeros((12, 14), dtype=bool))
    assert painted_box([empty, *two_seeds], a_volume) == painted_box(two_seeds, a_volume)
    assert is_painted([empty, *two_seeds]) and not is_painted([empty]) and not is_painted([])
    with pytest.raises(InputError, match="Nothing is painted"):
        painted_box([empty], a_volume)


def test_a_found_seed_can_be_switched_off(a_volume, two_seeds):
    """A stray voxel found as a seed has to be removable."""
    marks = typed_marks(["axial:4"], [], {"L3": two_seeds}, a_volume)
    assert marks.applied("L3", two_seeds, a_volume) == [two_seeds[1]]
    assert marks.applied("L4", two_seeds, a_volume) == two_seeds


def test_switching_off_what_is_no_seed_lists_the_seeds(a_volume, two_seeds):
    """The user mistook a number; they need the right ones."""
    with pytest.raises(InputError, match="axial slice 4 .*coronal slice 6"):
        typed_marks(["axial:5"], [], {"L3": two_seeds}, a_volume)


def test_switching_off_every_seed_is_refused(a_volume, two_seeds):
    """Without any seed the run would fail much later."""
    with pytest.raises(InputError, match="Keep at least one"):
        typed_marks(["axial:4", "coronal:6"], [], {"L3": two_seeds}, a_volume)


def test_a_slice_is_not_switched_off_and_declared_absent_in_one_breath(a_volume, two_seeds):
    """One of the two would silently not count."""
    with pytest.raises(InputError, match="axial:4 is both"):
        typed_marks(["L3=axial:4"], ["L3=axial:4"], {"L3": two_seeds, "L4": two_seeds}, a_volume)
    marks = typed_marks(["L3=axial:4"], ["L4=axial:9"], {"L3": two_seeds, "L4": two_seeds}, a_volume)
    assert marks == Marks({"L4": ((Plane.AXIAL, 9),)}, {"L3": ((Plane.AXIAL, 4),)})


def test_a_mark_is_set_and_taken_back():
    """A slice that is no longer absent is an ordinary one again: not one that is switched off."""
    marks = Marks().declared("L3", (Plane.AXIAL, 9), absent=True).switched("L3", (Plane.AXIAL, 9), used=False)
    assert marks == Marks({"L3": ((Plane.AXIAL, 9),)}, {"L3": ((Plane.AXIAL, 9),)})
    assert marks.declared("L3", (Plane.AXIAL, 9), absent=False) == Marks({"L3": ()}, {"L3": ()})


def test_an_absent_slice_becomes_an_empty_seed_once(a_volume, two_seeds):
    """The model is told that the structure has ended there; told twice it must not become two prompts."""
    once = add_absent(two_seeds, [(Plane.AXIAL, 9), (Plane.AXIAL, 9)], a_volume)
    assert [(s.plane, s.index, s.absent, s.mask.shape) for s in once[2:]] == [(Plane.AXIAL, 9, True, (12, 14))]
    assert len(add_absent(once, [(Plane.AXIAL, 9)], a_volume)) == 3


@pytest.mark.parametrize("where", [(Plane.AXIAL, 4), (Plane.AXIAL, 2)])
def test_a_painted_slice_cannot_be_absent(a_volume, two_seeds, where):
    """Axial 4 is a seed; on axial 2 the coronal seed left a line: the structure cannot be absent on either."""
    with pytest.raises(InputError, match="declared absent"):
        add_absent(two_seeds, [where], a_volume)


def test_marks_that_are_nowhere_do_not_stop_a_run(a_volume, two_seeds):
    """A CT replaced by a smaller one, a slice erased after it was switched off: the marks stay in the scene."""
    absent = [(Plane.AXIAL, 9), (Plane.AXIAL, 10), (Plane.CORONAL, -1), (Plane.SAGITTAL, 1)]
    skipped = [(Plane.CORONAL, 6), (Plane.AXIAL, 99), (Plane.AXIAL, 2), (Plane.SAGITTAL, 1)]
    used = Marks({"L3": absent}, {"L3": skipped}).applied("L3", two_seeds, a_volume)
    assert [(s.plane, s.index, s.absent) for s in used] == [(Plane.AXIAL, 4, False), (Plane.AXIAL, 9, True)]
    assert Marks({"L3": [(Plane.AXIAL, 10)]}).applied("L3", two_seeds, a_volume) == two_seeds


def test_a_slice_that_was_painted_after_it_was_marked_absent_is_said(a_volume, two_seeds):
    """The run would have to believe one of the two."""
    with pytest.raises(InputError, match="declared absent"):
        Marks({"L3": [(Plane.AXIAL, 4)]}).applied("L3", two_seeds, a_volume)
    marks = Marks({"L3": [(Plane.AXIAL, 4)]}, {"L3": [(Plane.AXIAL, 4), (Plane.CORONAL, 6)]})
    assert marks.applied("L3", two_seeds, a_volume) == []
