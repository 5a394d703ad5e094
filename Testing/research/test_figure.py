"""The overview picture: whole, readable by anyone, and showing what it says."""

import numpy as np
import pytest
from PIL import Image

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.pictures.figure import draw_overview
from SAM2VolumeSegLib.research.pictures.render import render_masks
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

RED, BLUE = (1.0, 0.1, 0.1), (0.1, 0.2, 1.0)


@pytest.fixture(scope="module")
def a_volume():
    return Volume(np.full((24, 26, 28), -1000, dtype=np.int16), np.diag([1.0, 1.2, 1.5, 1.0]))


def a_box(volume, *spans):
    mask = np.zeros(volume.voxels.shape, dtype=bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


def share_of_color(picture, color):
    """The share of pixels near an RGB colour (0..255)."""
    return (np.abs(picture[..., :3].astype(int) - color).max(axis=-1) < 40).mean()


def test_the_picture_shows_seeds_result_and_reference(tmp_path, a_volume):
    """On black air every coloured pixel is drawn by us: a layer that is missing or hidden shows here."""
    bone = a_box(a_volume, (5, 19), (6, 20), (7, 21))
    result = np.roll(bone, 3, axis=2)
    seeds = {"bone": simulate_seeds(bone, a_volume, "first-middle-last", tuple(Plane))}
    path = tmp_path / "overview.png"
    arguments = (a_volume, seeds, {"bone": result}, {"bone": bone}, {"bone": BLUE}, "A title", "bone  0.812")
    draw_overview(path, *arguments)
    picture = np.asarray(Image.open(path))
    assert picture.shape[:2] == (1000, 1600)
    slices, legend, view = picture[:, :620], picture[640:, 620:1000], picture[:, 1000:]
    blue, amber, white = (26, 51, 255), (190, 160, 50), (245, 245, 245)
    assert share_of_color(slices, blue) > 0.001
    assert share_of_color(slices, amber) > 0.001
    assert share_of_color(slices, white) > 0.001
    assert (legend[..., :3].max(axis=-1) > 150).any()
    assert (view[..., 2].astype(int) - view[..., 0] > 60).mean() > 0.05
    assert [file.name for file in tmp_path.iterdir()] == ["overview.png"]


def test_an_unwritable_place_is_named(tmp_path, a_volume):
    """A missing folder must end in a sentence, not in a traceback of the plotting library."""
    bone = a_box(a_volume, (5, 10), (5, 10), (5, 10))
    with pytest.raises(InputError, match="nowhere"):
        draw_overview(tmp_path / "nowhere" / "a.png", a_volume, {}, {"bone": bone}, {}, {"bone": RED}, "A title")


def test_nothing_to_draw_is_said(tmp_path, a_volume):
    """An empty run must not write an empty picture."""
    empty = np.zeros(a_volume.voxels.shape, dtype=bool)
    with pytest.raises(InputError, match="nothing to draw"):
        draw_overview(tmp_path / "a.png", a_volume, {}, {"bone": empty}, {}, {"bone": RED}, "A title")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("azimuth", "front"), [(0, "anterior"), (180, "posterior")])
def test_the_nearer_structure_hides_the_other(a_volume, azimuth, front):
    """A wrong sign anywhere in the camera shows the patient from the other side."""
    masks = {
        "posterior": a_box(a_volume, (4, 20), (3, 8), (4, 20)),
        "anterior": a_box(a_volume, (4, 20), (18, 23), (4, 20)),
    }
    colors = {"posterior": RED, "anterior": BLUE}
    picture = render_masks(masks, a_volume, colors, azimuth=azimuth, elevation=0, height_px=60)
    solid = picture[picture[..., 3] > 0]
    assert len(solid) > 500
    seen = "posterior" if (solid[:, 0] > solid[:, 2]).mean() > 0.95 else "anterior"
    assert seen == front
    assert (solid[:, 0] > solid[:, 2]).mean() in (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.05))


def test_left_and_right_are_not_mirrored(a_volume):
    """Seen from the front the patient's right is on the left of the picture, as in radiology."""
    masks = {"right": a_box(a_volume, (4, 20), (8, 18), (20, 26)), "left": a_box(a_volume, (4, 20), (8, 18), (2, 8))}
    colors = {"right": RED, "left": BLUE}
    picture = render_masks(masks, a_volume, colors, azimuth=0, elevation=0, height_px=60)
    half = picture.shape[1] // 2
    for part, mostly_red in ((picture[:, :half], True), (picture[:, half:], False)):
        solid = part[part[..., 3] > 0]
        assert ((solid[:, 0] > solid[:, 2]) == mostly_red).all()
