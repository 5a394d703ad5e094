"""What the engine says can be translated: whole sentences, as literals, with named values."""

import ast
import string
import sys
from types import SimpleNamespace

import pytest
from cli_files import ROOT

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Window

ROOMS = ("volume", "seeds", "model", "propagation", "review", "scene", "panel")
MODULE = [path for path in sorted((ROOT / "SAM2VolumeSeg").rglob("*.py")) if "Testing" not in path.parts]
ENGINE = [path for room in ROOMS for path in sorted((ROOT / "SAM2VolumeSegLib" / room).glob("*.py"))]


@pytest.fixture
def a_slicer_that_shouts(monkeypatch):
    """Slicer's translation, into capitals; gives the contexts that it is asked with."""
    asked = []

    def translate(context, text):
        asked.append(context)
        return "".join(
            part.upper() + (f"{{{name}{':' * bool(spec)}{spec}}}" if name is not None else "")
            for part, name, spec, _conversion in string.Formatter().parse(text)
        )

    monkeypatch.setitem(sys.modules, "slicer.i18n", SimpleNamespace(translate=translate))
    return asked


def test_an_error_of_the_engine_is_said_in_slicers_language(a_slicer_that_shouts):
    with pytest.raises(InputError, match="AN INTENSITY WINDOW FROM 5 TO 3 HU IS EMPTY"):
        Window(5, 3)

    assert a_slicer_that_shouts == ["volume.intensity"], "under which Slicer's tools keep the sentences of that file"


@pytest.mark.parametrize("slip", ["{untere} bis {upper}", "{} bis {}", "kein Wert", "{lower"])
def test_a_translators_slip_does_not_turn_a_sentence_into_a_fault(monkeypatch, slip):
    monkeypatch.setitem(sys.modules, "slicer.i18n", SimpleNamespace(translate=lambda context, text: slip))
    with pytest.raises(InputError, match="from 5 to 3 HU is empty"):
        Window(5, 3)


def translated(tree):
    """Calls of `_` in a file."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
    ]


@pytest.mark.parametrize("path", [*ENGINE, *MODULE], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_are_literals_with_named_values(path):
    """Slicer's tools read the source: an f-string, or a {} without a name, they cannot hand to a translator."""
    for call in translated(ast.parse(path.read_text("utf-8"))):
        (text,) = call.args
        assert isinstance(text, ast.Constant), f"line {call.lineno}"
        for _literal, name, _spec, _conversion in string.Formatter().parse(text.value):
            assert name is None or name.isidentifier(), f"line {call.lineno}: {{{name}}}"


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_ends_a_run_with_a_sentence_can_be_translated(path):
    """InputError and InputWarning are for people."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id.endswith("Error") and node.func.id[:5] in ("Input", "Check") and node.args:
            said = node.args[0]
            untranslated = isinstance(said, ast.JoinedStr) or (isinstance(said, ast.Constant) and said.value)
            assert not untranslated, f"line {node.lineno}: {ast.unparse(node.args[0])[:80]}"


SHOWN = {"text", "toolTip", "labelText", "windowTitle", "title"}
SAYS = {"say", "confirm", "showText", "errorDisplay", "delayDisplay", "setText", "setToolTip", "setWindowTitle"}


@pytest.mark.parametrize("path", MODULE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_the_panel_shows_can_be_translated(path):
    """Words that are set on a widget, or said in a box, go through `_`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        said = []
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute) and t.attr in SHOWN for t in node.targets):
            said = [node.value]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            said = [*(node.args if name in SAYS else ()), *(k.value for k in node.keywords if k.arg in SHOWN)]
        for value in said:
            words = isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip()
            assert not words and not isinstance(value, ast.JoinedStr), f"line {node.lineno}: {ast.unparse(value)[:80]}"
