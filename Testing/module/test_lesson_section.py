"""The button "Make a lesson": a file is asked for, a page is written and opened, and nothing else goes on meanwhile."""

import sys
from types import SimpleNamespace

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.lesson.run import LessonStep
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.propagation import Progress, Request
from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def a_box(a_desktop, monkeypatch):
    """The file that is chosen, the box with Cancel, and what was opened."""
    box = SimpleNamespace(chosen="", offered=[], opened=[], texts=[], cancelAfter=None, closed=0)

    class Dialog:
        def __init__(self, **properties):
            assert properties["modal"], "else a run could be started beside it"
            vars(self).update(properties)

        def __setattr__(self, name, value):
            box.texts += [value] if name == "labelText" else []
            vars(self)[name] = value

        @property
        def wasCanceled(self):
            return box.cancelAfter is not None and len(box.texts) >= box.cancelAfter

        def close(self):
            box.closed += 1

        def deleteLater(self):
            pass

    def get_save_file_name(parent, title, name, kinds):
        box.offered.append(name)
        return box.chosen

    qt = sys.modules["qt"]
    monkeypatch.setattr(qt, "QFileDialog", SimpleNamespace(getSaveFileName=get_save_file_name), raising=False)
    monkeypatch.setattr(qt, "QUrl", SimpleNamespace(fromLocalFile=lambda path: path), raising=False)
    monkeypatch.setattr(qt, "QDesktopServices", SimpleNamespace(openUrl=box.opened.append), raising=False)
    monkeypatch.setattr(a_desktop.slicer.util, "createProgressDialog", Dialog, raising=False)
    return box


@pytest.fixture
def a_section(a_box, a_state, a_ui):
    """The section; its logic makes a page in four steps."""
    from SAM2VolumeSegPanel.lesson_section import LessonSection

    def lesson(request, segment, choices, path):
        a_box.asked = request, segment
        for number in (1, 2):
            for done in (1, 2):
                yield LessonStep(number, 2, Progress(segment, Plane.AXIAL, 4, done, 2, None))
        path.write_text("page", encoding="utf-8")

    def request(volume, segmentation, choices, wanted, marks):
        return Request.of(a_state.found.volume, a_state.found.seeds, ch.settings_from(choices), names={"bone": "Bone"})

    a_state.logic.lesson, a_state.logic.request = lesson, request
    return LessonSection(a_state, a_state.logic, a_ui)


def test_a_page_is_made_where_the_user_said_and_opened(a_section, a_box, tmp_path):
    a_box.chosen = str(tmp_path / "my lesson")  # without an ending no browser opens it
    a_section.ui.lessonButton.click()
    page = tmp_path / "my lesson.html"
    assert a_box.offered == ["Lesson Bone.html"] and a_box.asked[1] == "Bone"
    assert page.read_text(encoding="utf-8") == "page" and a_box.opened == [str(page)]
    assert a_box.texts[-1] == "Settings 2 of 2: 2 of 2 slices" and a_box.closed == 1


def test_nothing_happens_without_a_file(a_section, a_box):
    a_section.ui.lessonButton.click()
    assert a_box.offered and not a_box.texts and not a_box.opened


def test_cancel_leaves_no_page(a_section, a_box, tmp_path):
    a_box.chosen, a_box.cancelAfter = str(tmp_path / "lesson.html"), 3
    a_section.ui.lessonButton.click()
    assert not a_box.opened and a_box.closed == 1 and not list(tmp_path.iterdir())


def test_a_scene_that_is_closed_meanwhile_ends_it(a_section, a_box, a_state, a_desktop, tmp_path, monkeypatch):
    a_box.chosen = str(tmp_path / "lesson.html")
    monkeypatch.setattr(a_desktop.slicer.app, "processEvents", lambda: a_state.setParameters(None))
    a_section.ui.lessonButton.click()
    assert not a_box.opened and a_box.closed == 1 and not list(tmp_path.iterdir())


def test_what_goes_wrong_is_said_in_a_box(a_section, a_box, a_state, a_desktop, tmp_path):
    def refused(*arguments):
        raise InputError("The disk is full.")
        yield

    a_box.chosen, a_state.logic.lesson = str(tmp_path / "lesson.html"), refused
    a_section.ui.lessonButton.click()
    assert a_desktop.told == ["The disk is full."] and a_box.closed == 1 and not a_box.opened


def test_the_button_is_off_where_nothing_could_run(a_section, a_box, a_state):
    assert a_section.ui.lessonButton.enabled
    for busy, idle in ((object(), None),):
        a_state.propagation = busy
        a_state.workChanged.emit()
        assert not a_section.ui.lessonButton.enabled
        a_state.propagation = idle
        a_state.workChanged.emit()
        assert a_section.ui.lessonButton.enabled
    a_state.found = type(a_state.found)()
    a_state.seedsChanged.emit()
    assert not a_section.ui.lessonButton.enabled
    a_section.onMake()
    assert not a_box.offered


def test_the_logic_writes_the_page_of_a_real_run(a_module, a_phantom, tmp_path, monkeypatch):
    """With the demo model: from a request to a file, through what the button calls."""
    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation import Segmenter, Settings

    logic = a_module.SAM2VolumeSegLogic()
    segmenter = Segmenter(SliceTracker.load(checkpoints.find("demo"), "cpu", 64))
    monkeypatch.setattr(logic, "segmenter", lambda choices: segmenter)
    request = Request.of(a_phantom.volume, a_phantom.seeds(), Settings(planes=("axial",)))
    page = tmp_path / "lesson.html"
    steps = list(logic.lesson(request, "middle", None, page))
    assert steps[-1].number == steps[-1].count and "<!-- SAM2VolumeSeg -->" in page.read_text(encoding="utf-8")[:200]
    with pytest.raises(InputError, match="no folder"):
        next(logic.lesson(request, "middle", None, tmp_path / "nowhere" / "lesson.html"))
