"""Set up: what is missing is said, one question is asked, and Slicer's own tools install it."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import facts, setup
from SAM2VolumeSegLib.panel.readiness import Package

IOPATH = Package("iopath", "0.1.10", "iopath")


@pytest.fixture
def a_section(a_state, a_ui):
    """Set up on a computer where sam2 and iopath are missing; installed: what was asked of Slicer."""
    from SAM2VolumeSegPanel.setup_section import SetupSection

    found = replace(a_state.facts, sam2=None, missing=(IOPATH,))
    a_state.logic.facts = lambda choices: found
    installed = []
    section = SetupSection(a_state, a_state.logic, a_ui, SimpleNamespace(pip_install=installed.append))
    section.installed = installed
    a_state.lookAtComputer()
    return section


def test_what_is_missing_is_said_with_its_way_out(a_section, a_state):
    for item in a_state.requirements:
        assert item.sentence in a_section.ui.readinessLabel.text
    lines = a_section.ui.readinessLabel.text.split("\n")
    assert [line.startswith("\u2022") for line in lines] == [True, True, False]  # what is there is no complaint
    assert a_section.ui.setupButton.enabled


def test_set_up_asks_once_and_a_no_is_told(a_section, a_desktop):
    a_desktop.answer = False
    a_section.ui.setupButton.click()
    assert len(a_desktop.questions) == 1 and "sam2 1.1.0" in a_desktop.questions[0]
    assert a_desktop.status[-1] == setup.DECLINED and a_section.installed == []


def test_what_is_missing_is_installed_and_looked_at_again(a_section, a_state, a_desktop):
    a_state.logic.facts = lambda choices: replace(a_state.facts, sam2="1.1.0", missing=())
    a_section.ui.setupButton.click()
    assert a_section.installed == [["iopath>=0.1.10"], ["--no-deps", "--no-build-isolation", "sam2==1.1.0"]]
    assert a_state.requirements.are_met and not a_section.ui.setupButton.enabled
    assert "Installing Small packages: iopath..." in a_desktop.status and a_desktop.errors == []


@pytest.mark.parametrize("shown", [False, True])
def test_a_failed_set_up_is_one_sentence(a_section, a_desktop, shown):
    """In a box; Slicer 5.12 shows pip's words in one of its own, and ours go to the panel."""

    def fails(arguments):
        raise setup.ShownError("pip ended with 1") if shown else OSError("unreachable")

    a_section.tools = SimpleNamespace(pip_install=fails)
    a_section.ui.setupButton.click()
    said = [*a_desktop.told, a_section.ui.readinessLabel.text]
    assert len(a_desktop.told) == (not shown)
    assert sum("connected to the internet" in text for text in said) == 1 and a_section.ui.setupButton.enabled


def test_nothing_is_installed_in_testing_mode(a_section, a_state, a_desktop):
    a_state.logic.facts = lambda choices: replace(a_state.facts, can_install=False)
    a_state.lookAtComputer()
    a_section.ui.setupButton.click()
    assert "testing mode" in a_desktop.told[0] and not a_desktop.questions


def test_the_computer_is_looked_at_again_when_a_choice_needs_something_else(a_section, a_state):
    looked = []
    a_state.logic.facts = lambda choices: looked.append(choices.clahe) or a_state.facts
    for name, value in (("radius", 0.5), ("clahe", True), ("gate", 1), ("model", ch.ModelChoice.OWN)):
        setattr(a_state.parameters, name, value)
        a_state.onChoicesChanged()
    assert looked == [True, True]


def test_clahe_asks_for_its_package_before_a_run(a_panel, monkeypatch):
    """Slicer has no scikit-image: without this, a run would end with a sentence that leads nowhere."""
    folder = facts._folder
    monkeypatch.setattr(facts, "_folder", lambda name: None if name == "skimage" else folder(name))
    a_panel.state.lookAtComputer()
    assert "scikit-image" not in a_panel.ui.readinessLabel.text
    a_panel.state.parameters.clahe = True
    assert "scikit-image" in a_panel.ui.readinessLabel.text
    assert a_panel.ui.setupButton.enabled and not a_panel.ui.propagateButton.enabled


def test_a_file_of_your_own_that_is_not_there_is_told(a_panel):
    a_panel.state.parameters.model = ch.ModelChoice.OWN
    assert "own model is not there" in a_panel.ui.readinessLabel.text
    assert a_panel.ui.ownCheckpointLineEdit.visible and not a_panel.ui.propagateButton.enabled


# --------------------------------------------------------------------------------------------------- Slicer's own tools


@pytest.fixture
def some_tools(the_package, stand_in, monkeypatch):
    """What the section is given in Slicer; calls: what reached Slicer, answer: of the PyTorch extension."""
    from SAM2VolumeSegPanel.install import SlicerTools

    tools = SlicerTools()
    tools.calls, tools.answer = [], "torch"
    utils = SimpleNamespace(installTorch=lambda **wanted: tools.calls.append(wanted) or tools.answer)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", stand_in.module("PyTorchUtils", PyTorchUtilsLogic=lambda: utils))
    return tools


def test_pytorch_is_installed_by_its_extension(some_tools):
    some_tools.install_torch(">=2.5.1")
    assert some_tools.calls == [{"askConfirmation": False, "torchVersionRequirement": ">=2.5.1"}]
    some_tools.answer = None
    with pytest.raises(RuntimeError):
        some_tools.install_torch(">=2.5.1")


def test_pip_is_run_as_the_version_of_slicer_has_it(some_tools, a_desktop, stand_in, monkeypatch):
    monkeypatch.setattr(a_desktop.slicer.util, "pip_install", some_tools.calls.append, raising=False)
    some_tools.pip_install(["iopath>=0.1.10", "tqdm>=4"])  # Slicer 5.10
    assert some_tools.calls == ['"iopath>=0.1.10" "tqdm>=4"']

    def pip_install(requirements, requester):
        some_tools.calls.append((requirements, requester))
        raise subprocess.CalledProcessError(1, "pip install")

    monkeypatch.setitem(sys.modules, "slicer.packaging", stand_in.module("slicer.packaging", pip_install=pip_install))
    with pytest.raises(setup.ShownError):
        some_tools.pip_install(["tqdm>=4"])
    assert some_tools.calls[-1] == (["tqdm>=4"], "SAM2VolumeSeg")
