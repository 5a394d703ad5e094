"""The table of painted slices: what it shows, what its boxes do, and the slice to paint next."""

from types import SimpleNamespace

import pytest

from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def a_section(a_state, a_ui):
    """The table of a ball that is painted on three axial slices; visited: where the views were sent."""
    from SAM2VolumeSegPanel.seeds_section import SeedsSection
    from SAM2VolumeSegPanel.state import Signal

    visited = []
    views = SimpleNamespace(goTo=lambda *place: visited.append(place), shownSlice=lambda: (Plane.AXIAL, 19))
    views.shown = lambda: [(Plane.AXIAL, 19)]
    reviewing = SimpleNamespace(changed=Signal(), toMend=lambda segmentID: [])
    section = SeedsSection(a_state, a_state.logic, a_ui, views, reviewing)
    section.visited = visited
    section.update()
    return section


def rows(section):
    return section.ui.seedsTable.texts()


def test_painted_slices_are_listed_with_their_place_and_area(a_section):
    assert [row[1:3] for row in rows(a_section)] == [["axial", f"S: {n}.00mm"] for n in (4, 10, 16)]
    assert (
        rows(a_section)[1][3] == "149 mm²"
        and a_section.ui.seedsCollapsibleButton.text == "Painted slices of \u201cBone\u201d"
    )


def test_another_segment_shows_its_own_slices(a_section, a_state):
    a_state.selectedSegmentID = lambda: "rib"
    a_state.segmentChanged.emit()
    assert rows(a_section) == [] and "Rib" in a_section.ui.seedsCollapsibleButton.text
    a_state.parameters.segmentation.clear()
    a_state.segmentChanged.emit()
    assert a_section.ui.adviceLabel.text == "Press Add, and paint the structure on a few slices."
    assert not a_section.ui.absentButton.enabled


def test_a_cleared_box_leaves_that_slice_out(a_section, a_state, stand_in):
    item = a_section.ui.seedsTable.item(1, 0)
    item.setCheckState(0)
    assert a_section.ui.seedsTable.item(1, 0) is item  # the table is not filled anew while it tells of the change
    stand_in.process_events()
    assert a_state.parameters.skipped == ["axial:10:bone"]
    assert a_section.ui.seedsTable.item(1, 0).checkState() == 0 and "2 axial" in a_section.ui.adviceLabel.text
    a_section.ui.seedsTable.item(1, 0).setCheckState(2)
    stand_in.process_events()
    assert a_state.parameters.skipped == []


def test_two_boxes_cleared_at_once_are_both_left_out(a_section, a_state, stand_in):
    for row in (0, 2):
        a_section.ui.seedsTable.item(row, 0).setCheckState(0)
    stand_in.process_events()
    assert a_state.parameters.skipped == ["axial:4:bone", "axial:16:bone"]


def test_a_box_cleared_just_before_the_scene_is_closed_does_no_harm(a_section, a_state, stand_in):
    closed = a_state.parameters
    a_section.ui.seedsTable.item(1, 0).setCheckState(0)
    a_state.setParameters(None)
    stand_in.process_events(3)
    assert closed.skipped == []


def test_a_line_is_gone_to_by_mouse_and_by_keyboard_but_not_while_the_table_is_filled(a_section):
    a_section.ui.seedsTable.emit("cellClicked(int,int)", 0, 1)
    a_section.ui.seedsTable.setCurrentCell(2, 1)
    assert a_section.visited == [(Plane.AXIAL, 4), (Plane.AXIAL, 16)]
    a_section.update()
    assert len(a_section.visited) == 2


def test_the_next_slice_is_one_press_away(a_section, a_state):
    a_state.found.seeds["bone"].pop(1)
    a_section.update()
    assert "Next: sagittal" in a_section.ui.adviceLabel.text
    a_section.ui.nextSliceButton.click()
    assert a_section.visited == [a_section.advice.next] == [(Plane.SAGITTAL, 9)]


def test_absent_here_marks_the_shown_slice_and_takes_it_back(a_section, a_desktop):
    a_section.ui.absentButton.click()
    assert rows(a_section)[-1][1:] == ["axial", "S: 19.00mm", "absent here"]
    a_section.ui.absentButton.click()
    assert len(rows(a_section)) == 3
    a_section.views.shownSlice = lambda: (Plane.AXIAL, 10)
    a_section.ui.absentButton.click()
    assert "has paint" in a_desktop.told[0] and len(rows(a_section)) == 3


def test_a_slice_marked_absent_that_was_painted_later_is_told(a_section, a_state):
    marks = a_state.marks
    marks.absent["bone"] = [(Plane.AXIAL, 10)]
    a_state.setMarks(marks)
    assert "axial:10 is declared absent" in a_section.ui.adviceLabel.text


def test_boxes_survive_saving_and_leaving(a_panel, a_module, stand_in):
    a_panel.ui.seedsTable.item(1, 0).setCheckState(0)
    stand_in.process_events()
    assert a_module.SAM2VolumeSegLogic().getParameterNode().skipped == ["axial:7:bone"]
    a_panel.exit()
    a_panel.enter()
    assert a_panel.ui.seedsTable.item(1, 0).checkState() == 0
