"""The models on this computer: listed, downloaded, cancelled, deleted."""

from dataclasses import replace

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.panel import choices as ch


@pytest.fixture
def a_section(a_state, a_ui, monkeypatch, tmp_path):
    """The models section, with no model downloaded."""
    from SAM2VolumeSegPanel.models_section import ModelsSection

    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    kept = a_state.logic.kept = []
    a_state.logic.remembered.keepModel = lambda p: kept.append(p.model.value)
    section = ModelsSection(a_state, a_state.logic, a_ui, a_state.timers)
    a_state.lookAtComputer()
    return section


def here(section):
    return {name: state for name, _size, state in section.ui.modelsTable.texts()}


def choose(state, name):
    state.parameters.model = ch.ModelChoice(name)
    state.onChoicesChanged()


def test_models_are_listed_downloaded_cancelled_and_deleted(a_section, a_state, a_desktop, stand_in, monkeypatch):
    closed, ui = [], a_section.ui

    def fetch(model):
        try:
            yield 1, 4
            yield 2, 4
            with checkpoints.path_in_store(model).open("wb") as file:
                file.truncate(model.size)
            yield 4, 4
        finally:
            closed.append(model.name)

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    assert here(a_section) == {"tiny": "no", "small": "no", "base+": "no", "large": "no", "demo": "bundled"}
    a_desktop.answer = False
    ui.downloadButton.click()
    assert a_state.download is None and "184 MB" in a_desktop.questions[-1]
    a_desktop.answer = True
    ui.downloadButton.click()
    stand_in.process_events(2)
    assert ui.downloadProgressBar.value == 50 and ui.downloadProgressBar.visible and not ui.downloadButton.enabled
    ui.cancelDownloadButton.click()
    stand_in.process_events()
    assert closed == ["small"] and ui.downloadButton.enabled and not ui.downloadProgressBar.visible
    ui.downloadButton.click()
    stand_in.process_events(6)
    assert here(a_section)["small"] == "yes"
    ui.deleteButton.click()
    assert here(a_section)["small"] == "no" and a_desktop.errors == []


def test_a_download_that_breaks_off_is_told_and_can_be_repeated(a_section, a_desktop, stand_in, monkeypatch):
    def broken(model):
        yield 1, 4
        raise InputError("The connection broke off.")

    monkeypatch.setattr(checkpoints, "fetch", broken)
    a_section.ui.downloadButton.click()
    stand_in.process_events(3)
    assert a_desktop.told == ["The connection broke off."]
    assert a_section.ui.downloadButton.enabled and not a_section.ui.cancelDownloadButton.visible


def test_before_set_up_there_is_no_folder_for_models(a_section, a_state, a_desktop):
    a_state.facts = replace(a_state.facts, can_store_models=False)
    a_section.ui.downloadButton.click()
    assert a_desktop.told == ["Press Set up first; then models can be downloaded."] and a_state.download is None


def test_the_buttons_act_on_the_chosen_model_and_a_click_into_the_table_chooses_one(a_section, a_state):
    """Before, a message said that one model was missing, and Download fetched another."""
    assert a_section.chosen.name == "small" and a_section.ui.modelsTable.currentRow() == 1
    choose(a_state, "large")
    assert a_section.chosen.name == "large" and a_section.ui.modelsTable.currentRow() == 3
    assert a_state.logic.kept == []  # a scene that is loaded changes nothing for the next one
    a_section.ui.modelsTable.setCurrentCell(0, 0)
    assert a_state.parameters.model is ch.ModelChoice.TINY and a_state.logic.kept == ["tiny"]
    a_section.ui.modelComboBox.emit("activated(int)", 0)
    assert a_state.logic.kept == ["tiny", "tiny"]
    choose(a_state, "own")
    assert a_section.chosen is None and a_section.ui.modelsTable.currentRow() == -1
    assert not a_section.ui.downloadButton.enabled and not a_section.ui.deleteButton.enabled


def test_the_bundled_model_can_neither_be_downloaded_nor_deleted(a_section, a_state):
    choose(a_state, "demo")
    assert not a_section.ui.downloadButton.enabled and not a_section.ui.deleteButton.enabled
