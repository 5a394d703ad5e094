"""Planes, crops and windows on any grid: orientation codes, oblique, left-handed, anisotropic."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Box, Plane, SquareWindow, Volume

FEW = settings(max_examples=30, deadline=None)

spacings = st.tuples(*[st.floats(0.3, 5.0)] * 3)
small_rotations = st.tuples(*[st.floats(-20, 20)] * 3).map(
    lambda a: Rotation.from_euler("xyz", a, degrees=True).as_matrix()
)
any_rotations = st.tuples(*[st.floats(-180, 180)] * 3).map(
    lambda a: Rotation.from_euler("xyz", a, degrees=True).as_matrix()
)
storages = st.tuples(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))


def ras_volume(shape_kji, spacing=(1.0, 1.0, 1.0), rotation=None, voxels=None):
    """A volume whose i, j, k run along R, A, S (before the rotation)."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if rotation is None else rotation) * spacing
    matrix[:3, 3] = (-31.5, 12.25, 700.0)
    if voxels is None:
        voxels = np.random.default_rng(1).normal(size=shape_kji).astype(np.float32)
    return Volume(voxels, matrix)


def restored(volume, storage):
    """The same physical volume with its axes permuted and flipped in storage."""
    order, flips = storage
    array = volume.voxels.transpose(2, 1, 0).transpose(order)
    first = np.array([0, 0, 0, 1.0])
    matrix = volume.ijk_to_ras.copy()
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        matrix[:, axis] = volume.ijk_to_ras[:, source] * (-1 if flip else 1)
        if flip:
            array = np.flip(array, axis)
            first[source] = array.shape[axis] - 1
    matrix[:, 3] = volume.ijk_to_ras @ first
    return Volume(array.transpose(2, 1, 0), matrix)


@FEW
@given(spacings, small_rotations, storages)
def test_pictures_do_not_depend_on_how_the_volume_is_stored(spacing, rotation, storage):
    """Else a LAS scan would reach the model mirrored, and results of one patient would differ between exports."""
    volume = ras_volume((4, 5, 6), spacing, rotation)
    other = restored(volume, storage)
    for plane in Plane:
        ours, theirs = volume.view(plane), other.view(plane)
        assert (theirs.row_mm, theirs.col_mm, theirs.slice_mm) == pytest.approx(
            (ours.row_mm, ours.col_mm, ours.slice_mm)
        )
        for n, m in zip(ours.order, theirs.order, strict=True):
            np.testing.assert_array_equal(ours.slice(volume.voxels, n), theirs.slice(other.voxels, m))
            assert ours.position_mm(n) == pytest.approx(theirs.position_mm(m))


def test_pictures_are_radiological():
    """A radiologist sees the patient's right at the left of the picture, and anterior or superior at the top."""
    voxels = np.zeros((4, 5, 6), dtype=np.uint8)
    voxels[0, -1, -1] = 1  # inferior, anterior, right
    voxels[-1, 0, 0] = 2  # superior, posterior, left
    volume = ras_volume(voxels.shape, voxels=voxels)
    view = volume.view(Plane.AXIAL)
    assert (view.axis, view.count, view.shape, list(view.order)) == (0, 4, (5, 6), [0, 1, 2, 3])
    assert view.slice(voxels, 0)[0, 0] == 1 and view.slice(voxels, 3)[-1, -1] == 2
    assert (view.position_mm(0), view.position_mm(3)) == (700.0, 703.0)
    view = volume.view(Plane.CORONAL)
    assert view.slice(voxels, 4)[-1, 0] == 1 and view.slice(voxels, 0)[0, -1] == 2
    view = volume.view(Plane.SAGITTAL)
    assert view.slice(voxels, 5)[-1, 0] == 1 and view.slice(voxels, 0)[0, -1] == 2


def test_real_ct_is_upright(a_ct, a_ct_labels):
    """The sample CT is stored PIR. L2, L3 and L4 must come in that order downwards, their bodies at the left."""
    view = a_ct.view(Plane.SAGITTAL)
    middle = view.slice(a_ct_labels, view.count // 2)
    rows = [np.argwhere(middle == label)[:, 0].mean() for label in (21, 22, 23)]
    assert rows == sorted(rows)
    # At mid-height of L3 the body is the largest part, so most of its voxels lie in the anterior half: at the left.
    columns = np.argwhere(middle == 22)[:, 1]
    assert columns.mean() < (columns.min() + columns.max()) / 2
    axial = a_ct.view(Plane.AXIAL)
    upper = np.argwhere(a_ct_labels == 21)[:, axial.axis].mean()
    lower = np.argwhere(a_ct_labels == 23)[:, axial.axis].mean()
    assert list(axial.order).index(round(upper)) > list(axial.order).index(round(lower))
    assert axial.position_mm(round(upper)) - axial.position_mm(round(lower)) == pytest.approx(
        abs(upper - lower) * 1.5, abs=2
    )


def test_slices_are_writable_views():
    """Results are written through the view; a copy would lose them. Trailing channels come along."""
    volume = restored(ras_volume((3, 4, 5)), ((2, 0, 1), (True, False, True)))
    for plane in Plane:
        view = volume.view(plane)
        canvas = np.zeros((*volume.voxels.shape, 2))
        view.slice(canvas, 1)[...] = 1
        assert canvas.sum() == 2 * view.shape[0] * view.shape[1]
        assert np.take(canvas, 1, axis=view.axis).all()


@FEW
@given(spacings, any_rotations, storages)
def test_each_plane_has_its_own_axis_at_any_angle(spacing, rotation, storage):
    volume = restored(ras_volume((4, 5, 6), spacing, rotation), storage)
    assert {volume.view(plane).axis for plane in Plane} == {0, 1, 2}
    for plane, letter in ((Plane.SAGITTAL, 0), (Plane.CORONAL, 1), (Plane.AXIAL, 2)):
        view = volume.view(plane)
        positions = [view.position_mm(n) for n in view.order]
        assert positions == sorted(positions)
        centre = [(n - 1) / 2 for n in volume.voxels.shape]
        centre[view.axis] = 2
        assert view.position_mm(2) == pytest.approx((volume.ijk_to_ras @ [*centre[::-1], 1])[letter])


@pytest.mark.parametrize("angles", list(itertools.product((44.9, 45.0, 45.1), (0.0, 44.9, 45.1))))
def test_no_two_planes_claim_one_axis_near_45_degrees(angles):
    """An argmax per axis gives two planes the same axis here, and one of three directions is then never segmented."""
    volume = ras_volume((4, 5, 6), rotation=Rotation.from_euler("zx", angles, degrees=True).as_matrix())
    assert {volume.view(plane).axis for plane in Plane} == {0, 1, 2}


# ---------------------------------------------------------------------------------------------------- volume


def test_volume_refuses_what_is_no_ct():
    good = np.zeros((3, 4, 5), dtype=np.int16)
    holes = good.astype(np.float32)
    holes[0, 0, :2] = np.nan
    holes[1, 1, 1] = np.inf
    singular = np.eye(4)
    singular[:3, 1] = singular[:3, 0]
    for voxels, matrix, message in (
        (good[None], np.eye(4), "4 dimensions"),
        (np.zeros((3, 4, 5, 3), np.uint8), np.eye(4), "4 dimensions"),
        (good.astype(complex), np.eye(4), "complex"),
        (holes, np.eye(4), "3 voxels that are not a number"),
        (good[:1], np.eye(4), "single slice"),
        (good, singular, "singular"),
        (good, np.zeros((4, 4)), "singular"),
        (good, np.full((4, 4), np.nan), "geometry"),
    ):
        with pytest.raises(InputError, match=message):
            Volume(voxels, matrix, "scan")


def test_volume_cannot_be_changed_and_knows_itself():
    """The user's CT is never modified, and cached embeddings never answer for another volume."""
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    volume = Volume(voxels, np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 7
    voxels = voxels.copy()
    assert Volume(voxels, np.eye(4), "another name").fingerprint() == volume.fingerprint()
    assert Volume(voxels, np.diag([1, 1, 2, 1])).fingerprint() != volume.fingerprint()
    assert Volume(voxels.reshape(4, 3, 5), np.eye(4)).fingerprint() != volume.fingerprint()
    voxels[2, 3, 4] += 1
    assert Volume(voxels, np.eye(4)).fingerprint() != volume.fingerprint()


def test_same_grid_forgives_rounding_only():
    volume = ras_volume((30, 40, 50), (0.7, 0.7, 3.0))
    assert volume.same_grid((30, 40, 50), volume.ijk_to_ras.astype(np.float32))
    assert not volume.same_grid((30, 40, 49), volume.ijk_to_ras)
    moved = volume.ijk_to_ras.copy()
    moved[0, 3] += 0.1
    assert not volume.same_grid((30, 40, 50), moved)
    stretched = volume.ijk_to_ras.copy()
    stretched[:3, 2] *= 1.01
    assert not volume.same_grid((30, 40, 50), stretched)


# ---------------------------------------------------------------------------------------------------- crop


def test_box_has_its_margin_in_mm_and_stays_inside():
    volume = ras_volume((20, 30, 40), (1.0, 2.0, 5.0))
    mask = np.zeros(volume.voxels.shape, dtype=bool)
    mask[10, 15, 20] = True
    assert Box.around(mask, volume, 6.0) == Box((8, 12, 14), (13, 19, 27))
    mask[0, 0, 39] = True  # a seed that touches the border
    assert Box.around(mask, volume, 6.0) == Box((0, 0, 14), (13, 19, 40))
    assert Box.around(mask, volume, 1e4) == Box.whole(volume)
    other = np.zeros_like(mask)
    other[19, 29, 0] = True
    assert Box.around([mask, other], volume, 0.0) == Box.whole(volume)
    assert mask[Box.around(mask, volume, 0.0).slices].sum() == 2
    with pytest.raises(InputError, match="Nothing is painted"):
        Box.around(np.zeros_like(mask), volume, 6.0)


boxes = st.tuples(*[st.tuples(st.floats(0, 1), st.floats(0, 1)) for _ in range(3)])


def box_of(fractions, shape):
    bounds = [sorted((int(a * (n - 1)), int(b * (n - 1)))) for (a, b), n in zip(fractions, shape, strict=True)]
    return Box(tuple(a for a, _ in bounds), tuple(b + 1 for _, b in bounds))


@FEW
@given(spacings, small_rotations, storages, boxes, st.integers(16, 96), st.sampled_from(Plane))
def test_gradient_survives_the_way_to_the_model_and_back(spacing, rotation, storage, fractions, size, plane):
    """Any shift, swap or wrong scale between slice and model would move the result off the bone."""
    volume = restored(ras_volume((24, 30, 27), spacing, rotation), storage)
    view = volume.view(plane)
    box = box_of(fractions, volume.voxels.shape)
    window = SquareWindow.of(view, box, size)
    rows, columns = np.indices(view.shape)
    picture = (rows * view.row_mm * 0.7 - columns * view.col_mm).astype(np.float32)
    square = window.to_model(picture, outside=0.0)
    assert square.shape == (size, size) and square.dtype == np.float32
    back = window.from_model(square)
    assert back.shape == view.shape and back.dtype == np.float32

    # Voxel centres whose samples touch neither the window's edge nor what lies beyond the volume.
    def safe(count, voxel_mm, start):
        centre, px = np.arange(count) * voxel_mm, window.mm_per_px
        in_window = (centre >= start + px / 2) & (centre <= start + (size - 0.5) * px)
        reach = px + max(px, voxel_mm)
        return in_window & (centre > reach - voxel_mm) & (centre < count * voxel_mm - reach)

    inner = np.outer(safe(view.shape[0], view.row_mm, window.top_mm), safe(view.shape[1], view.col_mm, window.left_mm))
    assert np.abs(back - picture)[inner].max(initial=0) < 2e-5 * np.ptp(picture)
    # The whole box has an answer.
    inside = np.zeros(volume.voxels.shape, dtype=bool)
    inside[box.slices] = True
    middle = (box.lower[view.axis] + box.upper[view.axis]) // 2
    assert np.isfinite(back[view.slice(inside, middle)]).all()


@FEW
@given(spacings, storages)
def test_window_is_square_in_mm(spacing, storage):
    """A ball must be round for the model, whatever the voxel spacing."""
    radius = 4 * max(spacing)
    half = [int(np.ceil(radius / mm)) + 1 for mm in spacing[::-1]]
    k, j, i = np.indices([2 * n + 1 for n in half]) - np.reshape(half, (3, 1, 1, 1))
    ball = (i * spacing[0]) ** 2 + (j * spacing[1]) ** 2 + (k * spacing[2]) ** 2 <= radius**2
    volume = restored(ras_volume(ball.shape, spacing, voxels=ball.astype(np.uint8)), storage)
    for plane in Plane:
        view = volume.view(plane)
        window = SquareWindow.of(view, Box.whole(volume), 128)
        square = window.mask_to_model(view.slice(volume.voxels, view.count // 2) > 0)
        height, width = (square.any(axis=1).sum() * window.mm_per_px, square.any(axis=0).sum() * window.mm_per_px)
        assert abs(height - 2 * radius) <= view.row_mm + 2 * window.mm_per_px
        assert abs(width - 2 * radius) <= view.col_mm + 2 * window.mm_per_px


@FEW
@given(spacings, storages, boxes, st.integers(0, 2**31))
def test_masks_survive_the_way_to_the_model_and_back(spacing, storage, fractions, seed):
    volume = restored(ras_volume((24, 30, 27), spacing), storage)
    view = volume.view(Plane.CORONAL)
    window = SquareWindow.of(view, box_of(fractions, volume.voxels.shape), 256)
    noise = np.random.default_rng(seed).normal(size=view.shape)
    mask = np.zeros(view.shape, dtype=bool)
    rows, columns = (slice(1 + abs(int(x * 3)), None) for x in noise[0, :2])
    mask[rows, columns] = True
    inside = np.isfinite(window.from_model(np.zeros((256, 256))))
    if not (mask & inside).any() or 3 * window.mm_per_px > min(view.row_mm, view.col_mm):
        return
    back = window.from_model(window.mask_to_model(mask).astype(np.float32)) > 0.5
    np.testing.assert_array_equal(back[inside], mask[inside])


def test_thin_seed_is_never_lost():
    """An empty seed tells the model "absent here": a thin rib must not turn into that when the window shrinks it."""
    volume = ras_volume((4, 400, 400))
    view = volume.view(Plane.AXIAL)
    window = SquareWindow.of(view, Box.whole(volume), 32)
    mask = np.zeros(view.shape, dtype=bool)
    mask[100, 50:350] = True
    assert window.mask_to_model(mask).sum() >= 20
    mask[:] = False
    mask[201, 303] = True
    square = window.mask_to_model(mask)
    assert 1 <= square.sum() <= 4 and square[201 * 32 // 400, 303 * 32 // 400]
    assert not window.mask_to_model(np.zeros_like(mask)).any()
    corner = SquareWindow.of(view, Box((0, 0, 0), (4, 40, 40)), 32)
    mask[:] = False
    mask[0, -1] = True
    with pytest.raises(InputError, match="outside the region"):
        corner.mask_to_model(mask)


def test_beyond_the_volume_is_air():
    """A crop that is longer than the volume is wide must not smear or wrap the border."""
    volume = ras_volume((4, 40, 10))
    view = volume.view(Plane.AXIAL)
    window = SquareWindow.of(view, Box.whole(volume), 40)
    square = window.to_model(np.ones(view.shape), outside=-1.0)
    assert (square[:, :14] == -1).all() and (square[:, -14:] == -1).all()
    assert (square[1:-1, 16:-16] == 1).all()
    assert np.isfinite(window.from_model(square)).all()
    half = SquareWindow.of(view, Box((0, 0, 0), (4, 20, 10)), 40).from_model(np.ones((40, 40)))
    assert np.isnan(half).mean() == 0.5 and np.isnan(half[:20]).all()  # j runs anterior, so j < 20 is the lower half


def test_shrinking_does_not_alias():
    """Without antialiasing fine stripes turn into false broad ones."""
    volume = ras_volume((4, 256, 256))
    view = volume.view(Plane.AXIAL)
    stripes = np.indices(view.shape).sum(0) % 2.0
    square = SquareWindow.of(view, Box.whole(volume), 48).to_model(stripes, 0.5)
    assert np.abs(square[1:-1, 1:-1] - 0.5).max() < 0.05
