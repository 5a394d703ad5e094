"""The slice views show what the model sees, and get their own contents back."""

import numpy as np
import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.volume import Plane


def in_front(slicer, view):
    """What lies over the CT in a slice view."""
    composite = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")
    return slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")


@pytest.fixture
def a_shown_ct(a_panel, a_painted_scene, a_desktop):
    """The CT in the background of all views, as the Segment Editor puts it there."""
    for view in ("Red", "Green", "Yellow"):
        composite = a_desktop.slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID(a_painted_scene.volume.GetID())
    display = a_painted_scene.volume.GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(-20, 300)
    return a_painted_scene.volume


def show_what_the_model_sees(panel, stand_in):
    panel.ui.showWindowCheckBox.click()
    stand_in.process_events(2)


def test_the_views_show_what_the_model_sees_and_the_ct_is_left_alone(a_panel, a_shown_ct, a_desktop, stand_in):
    slicer, display = a_desktop.slicer, a_shown_ct.GetDisplayNode()
    before, times = slicer.util.arrayFromVolume(a_shown_ct).copy(), (a_shown_ct.GetMTime(), display.GetMTime())
    show_what_the_model_sees(a_panel, stand_in)
    node = in_front(slicer, "Red")
    assert node.GetName() == "What the model sees (Red)"
    bone = slicer.util.arrayFromVolume(node)
    assert "192 \u00d7 192 pixels" in a_panel.ui.previewLabel.text and a_panel.ui.previewLabel.visible
    assert bone.min() == 0 and bone.max() == pytest.approx(0.8)  # 700 HU in the window from -100 to 900
    a_panel.ui.windowComboBox.currentIndex = 1  # soft tissue
    stand_in.process_events(2)
    assert slicer.util.arrayFromVolume(in_front(slicer, "Red")).max() == 1
    a_panel.ui.windowComboBox.currentIndex = 5  # by hand
    assert a_panel.ui.windowLowerSpinBox.enabled
    a_panel.ui.windowUpperSpinBox.value = 1400.0
    stand_in.process_events(2)
    assert slicer.util.arrayFromVolume(in_front(slicer, "Red")).max() == pytest.approx((700 + 135) / (1400 + 135))
    a_panel.ui.showWindowCheckBox.click()
    stand_in.process_events(2)
    assert in_front(slicer, "Red") is None and not a_panel.ui.previewLabel.visible
    assert (a_shown_ct.GetMTime(), display.GetMTime()) == times
    assert np.array_equal(before, slicer.util.arrayFromVolume(a_shown_ct))


def test_what_is_shown_is_what_the_run_gives_the_model(
    a_panel, a_shown_ct, a_desktop, stand_in, monkeypatch, run_to_end
):
    """The pictures that the encoder gets in a run, with CLAHE, against those in the views."""
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    slicer, given = a_desktop.slicer, {}
    encode = SliceTracker._encode

    def listening(self, pictures, index, upcoming):
        given[pictures.view.plane, index] = pictures.picture(index)
        return encode(self, pictures, index, ())

    monkeypatch.setattr(SliceTracker, "_encode", listening)
    a_panel.state.parameters.clahe = True
    a_panel.state.parameters.extend = False  # ten slices, whatever the model sees beyond them
    show_what_the_model_sees(a_panel, stand_in)
    run_to_end()
    assert a_desktop.errors == [] and len(given) == 10
    for (plane, index), picture in given.items():
        a_panel.views.goTo(plane, index)
        (shown,) = slicer.util.arrayFromVolume(in_front(slicer, "Red"))
        view = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").GetID()
        above, left = a_panel.preview.preview._shown[view].frame
        assert np.array_equal(shown[above : above + len(picture), left : left + len(picture)], picture)


def test_the_crop_follows_what_is_painted_and_the_choices(a_panel, a_shown_ct, a_painted_scene, a_desktop, stand_in):
    slicer = a_desktop.slicer
    show_what_the_model_sees(a_panel, stand_in)
    text = a_panel.ui.previewLabel.text
    a_panel.state.parameters.marginMm = 0.0
    stand_in.process_events(2)
    assert a_panel.ui.previewLabel.text != text
    tight = a_panel.preview.preview._pictures[Plane.AXIAL].box
    assert (tight.lower[0], tight.upper[0]) == (3, 13)
    a_painted_scene.paint((7,))
    stand_in.process_events(3)
    tight = a_panel.preview.preview._pictures[Plane.AXIAL].box
    assert (tight.lower[0], tight.upper[0]) == (7, 8)
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    stand_in.process_events(3)
    a_panel.editor.widget.setCurrentSegmentID("rib")
    a_panel.state.parameters.crop = ch.Crop.EACH
    stand_in.process_events(3)
    assert "once something is painted" in a_panel.ui.previewLabel.text
    assert in_front(slicer, "Red") is not None


@pytest.mark.parametrize("how", ["leave", "close the scene", "delete the CT", "reload", "another CT"])
def test_the_views_are_given_back(a_panel, a_shown_ct, a_desktop, stand_in, how):
    slicer = a_desktop.slicer
    show_what_the_model_sees(a_panel, stand_in)
    assert in_front(slicer, "Green") is not None
    if how == "leave":
        a_panel.exit()
    elif how == "close the scene":
        slicer.mrmlScene.Clear()
    elif how == "delete the CT":
        slicer.mrmlScene.RemoveNode(a_shown_ct)
    elif how == "reload":
        a_panel.cleanup()
    else:
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Other")
        slicer.util.updateVolumeFromArray(other, np.zeros((5, 6, 7), np.int16))
        a_panel.editor.widget.setSourceVolumeNode(other)
    stand_in.process_events(3)
    assert in_front(slicer, "Green") is None
    assert slicer.mrmlScene.GetFirstNodeByName("What the model sees (Green)") is None
    if how == "leave":
        a_panel.enter()
        stand_in.process_events(3)
        assert in_front(slicer, "Green") is not None
    if how == "another CT":
        assert "is painted beside" in a_panel.ui.previewLabel.text


def test_a_scene_that_was_saved_with_the_pictures_gets_its_views_back(a_panel, a_shown_ct, a_desktop):
    composite = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
    composite.SetAttribute("SAM2VolumeSeg.Foreground", "0.25 0")
    composite.SetNodeReferenceID("SAM2VolumeSeg.Foreground", a_shown_ct.GetID())
    a_panel.onSceneEndImport()
    assert composite.GetForegroundVolumeID() == a_shown_ct.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)


def test_a_ct_that_no_view_shows_is_told(a_panel, stand_in):
    show_what_the_model_sees(a_panel, stand_in)
    assert a_panel.ui.previewLabel.text == "No slice view shows this CT. Show it in the slice views first."


def test_choices_that_show_nothing_are_told_below_the_switch(a_panel, a_shown_ct, stand_in):
    show_what_the_model_sees(a_panel, stand_in)
    for name in ("axial", "coronal", "sagittal"):
        setattr(a_panel.state.parameters, name, False)
    stand_in.process_events(2)
    assert "All three axes are switched off" in a_panel.ui.previewLabel.text and not a_panel.preview.preview.is_shown


def test_the_window_can_follow_the_display_or_the_whole_ct(a_panel, a_painted_scene, stand_in):
    display = a_painted_scene.volume.GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(-20, 300)
    a_panel.ui.windowComboBox.currentIndex = 4
    assert ch.window_of(a_panel.state.parameters) == (-20, 300)
    display.SetWindowLevelMinMax(-50, 500)
    stand_in.process_events(2)
    assert ch.window_of(a_panel.state.parameters) == (-50, 500)
    a_panel.ui.windowComboBox.currentIndex = 6
    assert ch.window_of(a_panel.state.parameters) == "min-max"
    assert a_panel.ui.windowUpperSpinBox.value == 700


def test_before_pytorch_is_there_the_demo_model_is_shown_as_it_sees(a_state, a_ui):
    """It said 512 x 512 pixels, and showed them, where the model gets 160."""
    from SAM2VolumeSegPanel.preview_section import PreviewSection

    section = PreviewSection(a_state, a_state.logic, a_ui, None, None, a_state.timers)
    p = a_state.parameters
    a_state.logic.devicePlan = None
    for model, size, expected in (
        (ch.ModelChoice.DEMO, ch.InputSize.AUTO, 160),
        (ch.ModelChoice.DEMO, ch.InputSize.PIXELS_256, 256),
        (ch.ModelChoice.TINY, ch.InputSize.AUTO, 512),
    ):
        p.model, p.inputSize = model, size
        assert a_state.plan is None and section._size(p) == expected
