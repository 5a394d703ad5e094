"""The main way, counted: CT loaded, two strokes, Propagate, correct one slice, Propagate (docs/real-slicer.md)."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

MOST = 12
ALWAYS_IN_SIGHT = ("dockWidget", "editingBar")  # see test_panel_file.py; of the editor, its first rows


@pytest.fixture
def a_user(a_panel, a_desktop, a_painted_scene, some_views, stand_in):
    """Somebody with a mouse: each press and each stroke is counted."""
    slicer, volume = a_desktop.slicer, a_painted_scene.volume
    done = []

    def array(node):
        return slicer.util.arrayFromSegmentBinaryLabelmap(node, "bone", volume).astype(np.uint8)

    def click(what, name):
        assert getattr(a_panel.ui, name).enabled, f"{name} cannot be pressed"
        getattr(a_panel.ui, name).click()
        done.append(what)
        stand_in.process_events(2)

    def in_editor(what):
        done.append(what)  # a press into Slicer's own editor
        stand_in.process_events(2)

    def stroke(view, index, change):
        """Paint or erase in a view, on what the editor has: `change` of (mask of the segment, slice)."""
        some_views.point_at(view)
        node = a_panel.editor.widget.segmentationNode()
        mask = array(node)
        change(mask, index)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "bone", volume)
        done.append(f"a stroke in {view}")
        stand_in.process_events(2)

    return SimpleNamespace(click=click, in_editor=in_editor, stroke=stroke, done=done, array=array)


def test_the_main_way_takes_at_most_twelve_clicks(a_user, a_panel, a_painted_scene, a_desktop, run_to_end, request):
    bone, painted = a_painted_scene.bone, a_painted_scene.painted
    a_painted_scene.paint(())  # a CT that was just loaded; nothing is painted
    p = a_panel.state.parameters

    def axial(mask, k):
        mask[k] = bone[k]

    def coronal(mask, j):
        mask[:, j] = bone[:, j]

    a_user.in_editor("Add")
    a_user.in_editor("Paint")
    a_user.stroke("Red", 7, axial)
    a_user.stroke("Green", 9, coronal)
    assert sorted(row[1] for row in a_panel.ui.seedsTable.texts()) == ["axial", "coronal"]
    a_user.click("Propagate", "propagateButton")
    run_to_end(press=False)
    first = p.result
    a_user.click("the result", "editResultButton")
    a_user.in_editor("Paint")
    a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(10 * 2.0)
    a_user.stroke("Red", 10, axial)
    a_user.click("Use this slice as seed", "useSliceButton")
    a_user.click("Propagate", "propagateButton")
    run_to_end(press=False)
    assert p.result is not first and a_desktop.errors == a_desktop.told == []
    assert np.array_equal(a_user.array(p.result)[10] > 0, bone[10]) and p.segmentation is painted
    assert len(a_user.done) <= MOST
    text = (request.config.rootpath / "docs" / "real-slicer.md").read_text("utf-8")
    steps = re.findall(r"^\d+\. \*\*(.+?)\*\*", text.split("## The main way")[1].split("##")[0], re.MULTILINE)
    assert steps == a_user.done
