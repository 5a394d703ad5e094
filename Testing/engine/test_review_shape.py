"""What a mask's shape gives away: holes, loose parts, bridges, jumps, cuts, contacts, and names that do not fit."""

import numpy as np
import pytest
from review_evidence import a_ball, a_volume

from SAM2VolumeSegLib.review import shape_of
from SAM2VolumeSegLib.review.names import mix_ups
from SAM2VolumeSegLib.volume import BoxMask, Plane, Volume

SHAPE = (40, 44, 48)


def shape(mask, spacing=(1.0, 1.0, 1.0), **others):
    return shape_of(
        a_volume(spacing=spacing), BoxMask.of(mask), {name: BoxMask.of(other) for name, other in others.items()}
    )


def test_a_ball_has_nothing_odd():
    found = shape(a_ball(10))
    assert (found.holes_ml, found.islands_ml, found.bridges, found.jumps, found.cuts, found.contacts) == ((),) * 6
    assert found.volume_ml == pytest.approx(np.count_nonzero(a_ball(10)) / 1000)


def test_holes_and_loose_parts_are_counted_in_ml():
    """A hole is closed on all sides: a tunnel is none."""
    mask = a_ball(10) & ~a_ball(2)
    mask[20, 22, 24:] = False
    assert shape(mask).holes_ml == ()
    mask = a_ball(10) & ~a_ball(2)
    mask[36:38, 2:4, 2:4] = True
    found = shape(mask, spacing=(0.5, 1.0, 2.0))
    assert found.holes_ml == pytest.approx((np.count_nonzero(a_ball(2)) / 1000,))
    assert found.islands_ml == pytest.approx((8 / 1000,))


def test_a_thin_bridge_is_found_and_a_thick_one_is_anatomy():
    """A leak over a joint hangs on a few voxels."""
    mask = a_ball(7, (20, 22, 12)) | a_ball(6, (20, 22, 34))
    mask[20, 22, 12:34] = True
    (bridge,) = shape(mask).bridges
    assert bridge.beyond_ml == pytest.approx(np.count_nonzero(a_ball(6, (20, 22, 34))) / 1000, rel=0.1)
    k, j, i = (along.mean() for along in np.nonzero(bridge.region.whole()))
    assert abs(k - 20) < 1 and abs(j - 22) < 1 and 17 < i < 30
    mask[17:24, 19:26, 12:34] = True
    assert shape(mask).bridges == ()


def test_a_cut_end_and_a_jump_are_found_where_they_are():
    """Not at the border of the CT, where every structure ends so."""
    volume = a_volume()
    axial = [n for n in range(3) if volume.view(Plane.AXIAL).axis == n][0]
    assert axial == 0
    mask = a_ball(12)
    mask[26:] = False
    assert shape(mask).cuts == ((Plane.AXIAL, 25),)
    at_border = np.roll(mask, SHAPE[0] - 26, axis=0)
    assert shape(at_border).cuts == ()
    mask = a_ball(12)
    mask[20:22, 4:40, 4:44] = True
    assert (Plane.AXIAL, 20) in shape(mask).jumps and (Plane.AXIAL, 22) in shape(mask).jumps


@pytest.mark.parametrize(("axis", "face"), [(0, 0.5 * 1.0), (1, 0.5 * 2.0), (2, 1.0 * 2.0)])
def test_contact_is_the_area_of_shared_faces(axis, face):
    """Spacing i, j, k 0.5, 1 and 2 mm: two blocks that share 16 faces."""
    one, other = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    part = [slice(10, 14)] * 3
    one[tuple(part)] = True
    part[axis] = slice(14, 20)
    other[tuple(part)] = True
    (contact,) = shape(one, (0.5, 1.0, 2.0), other=other, far=a_ball(3, (34, 36, 40))).contacts
    assert contact.neighbour == "other" and contact.area_mm2 == pytest.approx(16 * face)


def at(**centres):
    """Names with small balls at places in mm, R, A, S."""
    volume = Volume(np.zeros((40, 40, 40), dtype=np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]), "names")
    masks = {}
    for name, (r, a, s) in centres.items():
        masks[name] = BoxMask.of(a_ball(2, (s, -a, -r), (40, 40, 40)))
    return mix_ups(volume, masks)


def test_levels_in_order_and_sides_on_their_sides_are_no_mix_up():
    assert at(T12=(-20, -20, 35), L1=(-20, -20, 25), vertebrae_L2=(-20, -20, 15), disc=(-20, -20, 2)) == {}
    assert at(rib_left_5=(-30, -20, 20), rib_right_5=(-10, -20, 20), rib_left_6=(-5, -20, 10)) == {}


def test_levels_that_are_swapped_are_said_of_both():
    found = at(L3=(-20, -20, 30), L2=(-20, -20, 10), L4=(-20, -20, 4))
    assert found.keys() == {"L2", "L3"}
    assert found["L2"] == ('"L2" lies below "L3". Are their names mixed up?',)


def test_left_on_the_right_is_said():
    found = at(**{"Femur left": (-10, -20, 20), "Femur right": (-30, -20, 20)})
    assert found["Femur left"] == found["Femur right"]
    assert found["Femur left"] == (
        '"Femur left" lies further to the right than "Femur right". Are their names mixed up?',
    )
