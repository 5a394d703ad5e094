"""What the model sees, in the slice views: bit by bit what the engine gives it, in its place, gone without a trace."""

from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.propagation import Settings, Sight
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.scene import ModelPreview, jump_to_slice, restore_views, rotate_views_to_volume, volume_from_node
from SAM2VolumeSegLib.scene.preview import NAME
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane, SquareWindow, Window

WINDOW = Window(-500.0, 1500.0)
BOX = Box((3, 2, 5), (9, 11, 14))  # of 11 x 13 x 17 voxels
SIZE = 64
VIEWS = {"Red": Plane.AXIAL, "Green": Plane.CORONAL, "Yellow": Plane.SAGITTAL}


@pytest.fixture
def desk(nodes):
    """Slice views as the application has them; show(ct) puts a CT into their background."""
    scene, slicer = nodes.scene, nodes.slicer
    for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
        while (left_over := scene.GetFirstNodeByClass(kind)) is not None:
            scene.RemoveNode(left_over)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    desk = SimpleNamespace(slices={}, composites={}, preview=ModelPreview())
    for name, plane in VIEWS.items():
        view = scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
        for node in (view, composite):
            node.SetLayoutName(name)
        view.SetOrientation(plane.value.capitalize())
        desk.slices[name], desk.composites[name] = view, composite

    def show(ct):
        for composite in desk.composites.values():
            composite.SetBackgroundVolumeID(ct.GetID())
        rotate_views_to_volume(ct)

    desk.show = show
    desk.in_front = lambda name: scene.GetNodeByID(desk.composites[name].GetForegroundVolumeID() or "")
    yield desk
    desk.preview.hide()


def sight_of(volume, window=WINDOW, clahe=False, box=BOX):
    """What the model sees of a segment "bone" in a box."""
    mask = np.ones(volume.view(Plane.AXIAL).shape, dtype=bool)
    settings = Settings(window=(window.lower, window.upper), clahe=clahe, roi=box)
    return Sight(volume, {"bone": [SeedSlice(Plane.AXIAL, 5, mask)]}, settings, SIZE)


def shown_picture(nodes, desk, name):
    """The picture in a view, without its dark frame, as (pixels, frame above, frame on the left)."""
    (pixels,) = nodes.slicer.util.arrayFromVolume(desk.in_front(name))
    shown = desk.preview._shown[desk.slices[name].GetID()]
    above, left = shown.frame
    return pixels[above : above + SIZE, left : left + SIZE], above, left


@pytest.mark.parametrize("clahe", [False, True])
def test_every_pixel_is_the_one_that_the_model_gets(nodes, desk, geometry, clahe):
    """Axial, coronal and sagittal, on any storage order and on an oblique CT; and nothing but the picture is bright."""
    ct = nodes.case(geometry)[0]
    desk.show(ct)
    volume = volume_from_node(ct)
    desk.preview.show(ct, sight_of(volume, clahe=clahe), "bone")
    assert desk.preview.problems == []
    sight = sight_of(volume, clahe=clahe)
    for name, plane in VIEWS.items():
        pictures = sight.pictures("bone", plane)
        for index in (4, 7):
            jump_to_slice(ct, plane, index)  # the view is followed
            pixels, above, left = shown_picture(nodes, desk, name)
            wanted = pictures.picture(index)
            assert pixels.dtype == wanted.dtype
            np.testing.assert_array_equal(pixels, wanted)
            framed = nodes.slicer.util.arrayFromVolume(desk.in_front(name)).copy()
            framed[0, above : above + SIZE, left : left + SIZE] = 0
            assert not framed.any()


def test_every_pixel_lies_where_the_ct_has_it(nodes, desk, geometry, transforms):
    """The CT's values are a ramp through the world, so that each pixel tells where it was taken from."""
    ct = nodes.case(geometry, transforms)[0]
    matrix = volume_from_node(ct).ijk_to_ras
    k, j, i = np.indices(nodes.slicer.util.arrayFromVolume(ct).shape)
    world = np.einsum("ab,b...->a...", matrix, np.stack([i, j, k, np.ones_like(i)]).astype(float))
    direction = np.array([3.0, -2.0, 5.0])
    voxels = np.einsum("a,a...->...", direction, world[:3])
    nodes.slicer.util.updateVolumeFromArray(ct, voxels.astype(np.float32))
    desk.show(ct)
    volume = volume_from_node(ct)
    window = Window(float(voxels.min()), float(voxels.max()))
    desk.preview.show(ct, sight_of(volume, window=window), "bone")
    for name, plane in VIEWS.items():
        jump_to_slice(ct, plane, 6)
        node = desk.in_front(name)
        assert node.GetTransformNodeID() is None
        pixels, above, left = shown_picture(nodes, desk, name)
        rows, columns = np.indices(pixels.shape)
        at = np.stack([columns + left, rows + above, np.zeros_like(rows), np.ones_like(rows)]).astype(float)
        expected = np.einsum("a,a...->...", direction, np.einsum("ab,b...->a...", nodes.matrix(node), at)[:3])
        expected = (expected - window.lower) / (window.upper - window.lower)
        view = volume.view(plane)
        square = SquareWindow.of(view, BOX, SIZE)
        row_mm, column_mm = (
            start + (np.arange(SIZE) + 0.5) * square.mm_per_px for start in (square.top_mm, square.left_mm)
        )
        inside = ((row_mm >= 0) & (row_mm <= (view.shape[0] - 1) * view.row_mm))[:, None]
        inside = inside & ((column_mm >= 0) & (column_mm <= (view.shape[1] - 1) * view.col_mm))[None]
        assert inside.sum() > SIZE * SIZE / 3
        np.testing.assert_allclose(pixels[inside], expected[inside], atol=2e-4)


def test_the_dark_frame_covers_the_rest_of_the_ct(nodes, desk):
    ct = nodes.case("LPS")[0]
    desk.show(ct)
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    bounds, covered = [0.0] * 6, [0.0] * 6
    ct.GetRASBounds(bounds)
    for name, axis in (("Red", 2), ("Green", 1), ("Yellow", 0)):
        desk.in_front(name).GetRASBounds(covered)
        for other in {0, 1, 2} - {axis}:
            assert covered[2 * other] <= bounds[2 * other] + 1e-6
            assert covered[2 * other + 1] >= bounds[2 * other + 1] - 1e-6


def test_nothing_of_the_ct_is_changed_and_everything_is_put_back(nodes, desk):
    ct, other = nodes.case("LPS")[0], nodes.ct(name="PET")
    ct.CreateDefaultDisplayNodes()
    display = ct.GetDisplayNode()
    desk.show(ct)
    desk.composites["Red"].SetForegroundVolumeID(other.GetID())
    desk.composites["Red"].SetForegroundOpacity(0.3)
    desk.composites["Red"].SetCompositing(desk.composites["Red"].Subtract)
    before = nodes.slicer.util.arrayFromVolume(ct).copy()
    times, ids = (ct.GetMTime(), ct.GetImageData().GetMTime(), display.GetMTime()), nodes.ids()
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    assert desk.preview.is_shown
    assert desk.composites["Red"].GetForegroundOpacity() == 1.0
    assert desk.composites["Red"].GetCompositing() == desk.composites["Red"].Alpha
    for name in VIEWS:
        node = desk.in_front(name)
        assert node.GetHideFromEditors() and not node.GetSaveWithScene()
        assert not node.GetDisplayNode().GetSaveWithScene()
        assert (node.GetDisplayNode().GetWindowLevelMin(), node.GetDisplayNode().GetWindowLevelMax()) == (0.0, 1.0)
        assert desk.composites[name].GetBackgroundVolumeID() == ct.GetID()
    np.testing.assert_array_equal(nodes.slicer.util.arrayFromVolume(ct), before)
    desk.preview.hide()
    desk.preview.hide()
    assert (ct.GetMTime(), ct.GetImageData().GetMTime(), display.GetMTime()) == times
    assert nodes.ids() == ids
    assert desk.in_front("Red") is other
    assert desk.composites["Red"].GetForegroundOpacity() == pytest.approx(0.3)
    assert desk.composites["Red"].GetCompositing() == desk.composites["Red"].Subtract
    assert desk.in_front("Green") is None
    for node in (*desk.slices.values(), *desk.composites.values()):
        assert node.GetAttribute("SAM2VolumeSeg.Foreground") is None


def test_a_layer_that_the_user_chose_meanwhile_stays(nodes, desk):
    ct, other = nodes.case("LPS")[0], nodes.ct(name="PET")
    desk.show(ct)
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    desk.preview._busy = True  # as when the panel hides it in the same event
    desk.composites["Red"].SetForegroundVolumeID(other.GetID())
    desk.preview._busy = False
    desk.preview.hide()
    assert desk.in_front("Red") is other


def test_only_what_changed_is_computed_again(nodes, desk, monkeypatch):
    ct = nodes.case("LPS")[0]
    desk.show(ct)
    volume = volume_from_node(ct)
    computed = []
    picture = PlanePictures.picture
    monkeypatch.setattr(
        PlanePictures, "picture", lambda self, n: computed.append((self.view.plane, n)) or picture(self, n)
    )
    desk.preview.show(ct, sight_of(volume, clahe=True), "bone")
    assert len(computed) == 3
    desk.preview.show(ct, sight_of(volume, clahe=True), "bone")
    desk.slices["Red"].Modified()
    assert len(computed) == 3
    assert not desk.preview.needs_equalising(sight_of(volume, clahe=True))
    assert desk.preview.needs_equalising(sight_of(volume, window=Window(0.0, 1.0), clahe=True))
    computed.clear()
    jump_to_slice(ct, Plane.CORONAL, 2)
    assert computed == [(Plane.CORONAL, 2)]
    computed.clear()
    desk.preview.show(ct, sight_of(volume, clahe=True, box=Box.whole(volume)), "bone")
    assert len(computed) == 3
    node = desk.in_front("Red")
    desk.preview.show(ct, sight_of(volume, window=Window(0.0, 100.0), box=Box.whole(volume)), "bone")
    assert desk.in_front("Red") is node  # the same node for each view, as long as it is shown


def test_a_view_at_an_angle_or_of_another_ct_is_left_alone(nodes, desk):
    ct = nodes.case("oblique")[0]
    for name, composite in desk.composites.items():
        composite.SetBackgroundVolumeID(None if name == "Yellow" else ct.GetID())
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    assert not desk.preview.is_shown
    assert len(desk.preview.problems) == 2 and "at an angle" in desk.preview.problems[0]
    rotate_views_to_volume(ct)
    assert desk.in_front("Red") is not None and desk.in_front("Green") is not None and desk.in_front("Yellow") is None
    assert desk.preview.problems == []


@pytest.mark.parametrize("what", ["CT", "picture", "view", "scene", "moved", "cropped"])
def test_what_is_deleted_or_changed_underneath_does_no_harm(nodes, desk, what):
    ct = nodes.case("LPS")[0]
    desk.show(ct)
    volume = volume_from_node(ct)
    desk.preview.show(ct, sight_of(volume), "bone")
    picture = desk.in_front("Red")
    if what == "CT":
        nodes.scene.RemoveNode(ct)
    elif what == "picture":
        nodes.scene.RemoveNode(picture)
    elif what == "view":
        nodes.scene.RemoveNode(desk.slices["Red"])
    elif what == "scene":
        nodes.scene.Clear()
    elif what == "moved":
        ct.SetOrigin(1, 2, 3)
    else:
        nodes.slicer.util.updateVolumeFromArray(ct, np.zeros((4, 4, 4), np.int16))
    desk.preview.update()
    if what == "picture":
        assert desk.in_front("Red") is not None and desk.in_front("Red") is not picture
    elif what != "view":
        assert not desk.preview.is_shown  # the pictures are of a CT that is no more
    desk.preview.hide()
    names = [nodes.scene.GetNthNode(n).GetName() or "" for n in range(nodes.scene.GetNumberOfNodes())]
    assert not any(name.startswith(NAME) for name in names)


def test_a_scene_saved_meanwhile_is_put_right_when_it_is_loaded(nodes, desk, tmp_path):
    """The pictures are not in the file; the views would come back without the user's own foreground."""
    scene = nodes.scene
    ct, other = nodes.case("LPS")[0], nodes.ct(name="PET")
    desk.show(ct)
    desk.composites["Red"].SetForegroundVolumeID(other.GetID())
    desk.composites["Red"].SetForegroundOpacity(0.25)
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    path = str(tmp_path / "scene.mrml")
    scene.SetURL(path)
    assert scene.Commit()
    desk.preview.hide()
    scene.Clear()
    scene.SetURL(path)
    scene.Connect()
    names = [scene.GetNthNode(n).GetName() or "" for n in range(scene.GetNumberOfNodes())]
    assert not any(name.startswith(NAME) for name in names)
    restore_views(scene)
    composites = [
        scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]
    red = next(node for node in composites if node.GetLayoutName() == "Red")
    assert scene.GetNodeByID(red.GetForegroundVolumeID()).GetName() == "PET"
    assert red.GetForegroundOpacity() == pytest.approx(0.25)
    assert all(node.GetAttribute("SAM2VolumeSeg.Foreground") is None for node in composites)


def test_hiding_logs_nothing_where_the_application_removes_displays_with_their_volumes(nodes, desk):
    """A real Slicer does: each hidden picture logged a warning and a critical error for each view."""
    ct = nodes.ct()
    desk.show(ct)
    desk.preview.show(ct, sight_of(volume_from_node(ct)), "bone")
    pictures = [desk.in_front(name) for name in VIEWS]
    displays, complaints = [node.GetDisplayNode() for node in pictures], []

    def remove_display(caller, event):
        for node, display in zip(pictures, displays, strict=True):
            if node.GetScene() is None and display.GetScene() is not None:
                nodes.scene.RemoveNode(display)

    tags = [nodes.scene.AddObserver(nodes.scene.NodeRemovedEvent, remove_display)]
    for kind in ("WarningEvent", "ErrorEvent"):
        tags.append(nodes.scene.AddObserver(kind, lambda caller, event: complaints.append(event)))
    try:
        desk.preview.hide()
    finally:
        for tag in tags:
            nodes.scene.RemoveObserver(tag)
    assert complaints == [] and not any(node.GetScene() for node in (*pictures, *displays))
