"""The one yellow line: what it says first, and with which button."""

import re
from dataclasses import replace

import pytest

from SAM2VolumeSegLib.panel import hint, readiness
from SAM2VolumeSegLib.panel.hint import Way
from SAM2VolumeSegLib.panel.keys import KEYS, help_text

READY = readiness.Facts((3, 12), (5, 12), torch="2.8.0", torch_extension=True, sam2="1.1.0", model_present=True)


def checked(**changes):
    return readiness.check(replace(READY, **changes))


def test_nothing_is_said_when_nothing_stands_in_the_way():
    assert hint.hint_for(requirements=checked()) is None


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        ({"torch": None}, (Way.SET_UP,)),
        ({"model_present": False}, (Way.DOWNLOAD,)),
        ({"model_present": False, "model": "own"}, (Way.CHOOSE_FILE,)),
        ({"sam2": "1.0", "foreign_sam2": "/opt/sam2"}, ()),  # no button of ours helps
        ({"torch": None, "intel_mac": True, "model_present": False}, ()),
    ],
)
def test_what_is_missing_comes_with_the_button_that_brings_it(changes, ways):
    said = hint.hint_for(requirements=checked(**changes))
    assert said.ways == ways and said.sentence.endswith(".")


@pytest.mark.parametrize("remedy", ["", "data", "convert", "turn views"])
def test_what_is_wrong_with_the_nodes_is_said_before_what_is_missing(remedy):
    said = hint.hint_for(problem="It is turned.", remedy=remedy, requirements=checked(torch=None))
    assert said == hint.Hint("It is turned.", (Way(remedy),) if remedy else ())


def test_turned_views_are_said_first_and_all_by_name():
    """Whoever paints in them paints in vain."""
    turned = hint.turned_views(["Red", "Green", "Yellow"], "CT")
    assert "Red, Green, Yellow lie at an angle" in turned.sentence and turned.ways == (Way.TURN_VIEWS,)
    assert "view Red lies" in hint.turned_views(["Red"], "CT").sentence
    assert hint.hint_for(views=turned, problem="Another.", requirements=checked(torch=None)) is turned


def test_an_offer_comes_before_what_only_a_run_needs():
    offer = hint.finished_segment("L3", 29)
    assert "29 slices" in offer.sentence and offer.ways == (Way.CORRECT, Way.AUDIT, Way.PAINTED)
    assert hint.hint_for(offers=[offer], requirements=checked(torch=None)) is offer
    assert hint.hint_for(offers=[offer], problem="It is turned.").sentence == "It is turned."


def test_a_sentence_that_names_a_button_has_that_button():
    """ "Press Set up." beside a button with another word on it helps nobody."""
    for changes in ({"torch": None}, {"sam2": None}, {"model_present": False}):
        said = hint.hint_for(requirements=checked(**changes))
        named = re.search(r"Press (Set up|Download)", said.sentence).group(1)
        assert said.ways[0].label.startswith(named)


def test_no_key_is_taken_from_the_editor_or_the_views_and_all_are_in_the_help():
    editor = [*"0123456789ZYQWI/*,.<>X", "Return", "Esc", "Space", "Ctrl+Z", "Ctrl+Y", "Ctrl+Shift+Z"]
    views = [*"BFGRTV[]{}+-", "Up", "Down", "Left", "Right", "Home", "End", "Insert"]
    own = [key.sequence for key in KEYS]
    assert not set(own) & {*editor, *views} and len(set(own)) == len(own)
    assert all(f"<b>{key.sequence}</b>: {key.words}" in help_text() for key in KEYS)
