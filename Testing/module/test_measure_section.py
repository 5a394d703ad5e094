"""The speed of a model is measured before its first run: on request, or as the run's first steps."""

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate


@pytest.fixture
def a_section(a_state, a_ui):
    """The section on a computer where the model was never used; its logic measures in two steps."""
    from SAM2VolumeSegPanel.measure_section import MeasureSection

    known = estimate.Timings()

    def measurement(volume, seeds, choices):
        yield
        yield
        known.record("key", {"encode": 1.0})

    a_state.logic.measurement, a_state.logic.remembered.timings = measurement, lambda: known
    section = MeasureSection(a_state, a_state.logic, a_ui, a_state.timers)
    a_state.workChanged.connect(lambda: section.offer(canRun=True))  # as the section Propagate does
    section.offer(canRun=True)
    return section


def test_a_model_is_measured_when_the_user_asks_and_not_before(a_section, a_state, stand_in):
    """By itself, a measurement froze the window six times for up to three seconds, perhaps while somebody painted."""
    a_state.parameters.model = ch.ModelChoice.DEMO
    a_state.makePlan()
    a_section.offer(canRun=True)
    stand_in.process_events(9)
    assert a_state.measurement is None and a_section.ui.measureButton.visible
    a_section.ui.measureButton.click()
    assert a_section.ui.progressLabel.text.startswith("Measuring") and not a_section.ui.measureButton.visible
    stand_in.process_events(3)
    assert a_section.speed is not None and a_state.measurement is None
    assert a_section.ui.progressLabel.text == "" and not a_section.ui.measureButton.visible


def test_what_stands_still_for_seconds_is_said_before_it_does(a_section, a_state, stand_in):
    """Loading PyTorch, and loading the model, each after the sentence was shown."""
    a_state.parameters.model, loaded, said = ch.ModelChoice.DEMO, [], a_section.ui.progressLabel
    plan = a_state.logic.devicePlan
    a_state.logic.devicePlan = lambda choices: loaded.append(said.text) or plan(choices)
    a_state.logic.isLoaded = lambda choices: False
    assert a_state.plan is None
    a_section.offer(canRun=True)
    assert a_section.ui.measureButton.visible
    a_section.ui.measureButton.click()
    assert said.text.startswith("Loading PyTorch") and loaded == []
    stand_in.process_events()
    assert loaded == [said.text]
    stand_in.process_events()
    assert said.text.startswith("Loading the model")
    stand_in.process_events()
    assert said.text.startswith("Measuring")


def test_where_no_run_could_start_nothing_is_measured(a_section, a_state, stand_in):
    a_section.offer(canRun=False)
    assert not a_section.ui.measureButton.visible and not a_section.before(None)
    a_section.onMeasure()
    assert a_state.measurement is None


def test_what_comes_after_a_measurement_is_done_once(a_section, a_state, stand_in):
    done = []
    assert a_section.before(lambda: done.append(1)) and a_section.before(lambda: done.append(2))
    stand_in.process_events(6)
    assert done == [2] and not a_section.before(None)


def test_what_cannot_be_measured_keeps_nobody_from_running(a_section, a_state, a_desktop, stand_in):
    def broken(*arguments):
        yield
        raise ZeroDivisionError

    done = []
    a_state.logic.measurement = broken
    assert a_section.before(lambda: done.append(1))
    stand_in.process_events(3)
    assert done == [1] and a_desktop.errors == [] and a_state.measurement is None
    assert not a_section.before(None) and a_section.ui.measureButton.visible  # for who wants to try again


def test_a_model_that_does_not_load_is_told_once_and_nothing_follows(a_section, a_state, a_desktop, stand_in):
    def refused(*arguments):
        raise InputError("The checkpoint is damaged.")
        yield

    done = []
    a_state.logic.measurement = refused
    assert a_section.before(lambda: done.append(1))
    stand_in.process_events(3)
    assert a_desktop.told == ["The checkpoint is damaged."] and done == [] and a_state.measurement is None


# ---------------------------------------------------------------------------------------------- with the demo model


def forget_the_speed(panel):
    """As on a computer where this model has never run."""
    panel.logic.remembered.keep(type(panel.logic.remembered.timings())())
    panel.run.update()


def test_propagate_measures_first_and_says_so_before_the_run(a_panel, stand_in, run_to_end):
    forget_the_speed(a_panel)
    a_panel.ui.propagateButton.click()
    assert a_panel.state.propagation is None and a_panel.ui.progressLabel.text.startswith("Loading the model")
    a_panel.ui.propagateButton.click()  # once is enough
    for _step in range(30):
        if a_panel.state.propagation is not None:
            break
        stand_in.process_events()
    assert a_panel.measure.speed is not None
    encoded = a_panel.logic._tracker[1].encoded
    assert encoded >= 3
    run_to_end(press=False)
    assert a_panel.logic._tracker[1].encoded < encoded + 10  # what was encoded for it is not encoded again
    assert a_panel.state.parameters.result is not None


@pytest.mark.parametrize("how", ["cancel", "leave", "close the scene", "reload"])
def test_a_measurement_can_be_stopped_at_any_time(a_panel, a_desktop, stand_in, how):
    forget_the_speed(a_panel)
    a_panel.ui.propagateButton.click()
    stand_in.process_events(3)
    assert a_panel.state.measurement is not None
    if how == "cancel":
        a_panel.ui.cancelButton.click()
        assert a_panel.ui.progressLabel.text == "Cancelled. Nothing was written."
    else:
        {"leave": a_panel.exit, "close the scene": a_desktop.slicer.mrmlScene.Clear, "reload": a_panel.cleanup}[how]()
    stand_in.process_events(15)
    assert a_panel.state.measurement is None and a_panel.state.propagation is None and a_desktop.errors == []
