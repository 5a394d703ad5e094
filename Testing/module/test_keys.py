"""The keys: what they do, and that they are nobody else's."""

from types import SimpleNamespace

import pytest

from SAM2VolumeSegLib.panel.keys import KEYS, LIST_KEYS
from SAM2VolumeSegLib.volume import Plane


@pytest.fixture
def press(stand_in):
    return stand_in.Shortcut.press


def test_keys_do_what_their_buttons_do(a_panel, a_painted_scene, press, run_to_end, stand_in):
    press("N")
    assert a_panel.views.shown()[0] != (Plane.AXIAL, 7) and a_panel.seeds.advice.next in a_panel.views.shown()
    press("Ctrl+Return")
    assert a_panel.state.propagation is not None
    press("Ctrl+Backspace")
    assert a_panel.state.propagation is None and a_panel.ui.progressLabel.text.startswith("Cancelled")
    press("Ctrl+Return")
    run_to_end(press=False)
    p = a_panel.state.parameters
    press("D")
    assert (p.showResult, p.showPainted) == (False, True)
    press("D")
    assert (p.showResult, p.showPainted) == (True, False)
    lines = len(a_panel.ui.seedsTable.texts())
    a_panel.views.goTo(Plane.AXIAL, 9)
    press("U")
    assert len(a_panel.ui.seedsTable.texts()) == lines + 1


def test_a_key_whose_button_cannot_be_pressed_does_nothing(a_panel, a_desktop, press):
    for key in ("U", "Ctrl+Backspace", "D"):
        press(key)
    assert a_desktop.errors == a_desktop.told == []


def test_keys_are_the_panels_and_the_views_and_rest_while_another_module_is_shown(
    a_module, a_painted_scene, a_desktop, stand_in, monkeypatch
):
    viewport = object()
    manager = SimpleNamespace(viewport=lambda: viewport)
    monkeypatch.setattr(a_desktop.slicer.app, "layoutManager", lambda: manager)
    made = stand_in.Shortcut.made
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=True))
    widget.setup()
    own = [shortcut for shortcut in made if shortcut.parent is widget.ui.suspectsTable]
    assert len(own) == len(LIST_KEYS) and len(made) == 2 * len(KEYS) + len(own)
    assert not any(shortcut.enabled for shortcut in made)
    # while the widget or what is in it has the focus
    assert all(shortcut.context == 3 for shortcut in made if shortcut not in own)
    assert sum(shortcut.parent is viewport for shortcut in made) == len(KEYS)
    widget.enter()
    assert [shortcut for shortcut in made if not shortcut.enabled] == own
    widget.exit()
    assert not any(shortcut.enabled for shortcut in made)
    widget.cleanup()
    assert made == []  # a reloaded panel would answer twice
