"""The bundled model on a real CT: whoever trains a new one sees here whether it is as good as its card says."""

import numpy as np
import pytest

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.study.demo import bundled_case
from SAM2VolumeSegLib.training import table
from SAM2VolumeSegLib.training.scenarios import SCENARIOS

DEMO = checkpoints.find("demo")
MARGIN = 0.02
"""Below the card's figures: four times their largest standard deviation over the six crops, 0.005."""

CARD = {
    "middle, axial": 0.497,
    "first-middle-last, axial": 0.809,
    "uniform-7, axial": 0.855,
    "first-middle-last, three axes": 0.868,
}
"""Mean Dice of L2, L3 and L4 on slices without a prompt, of model/demo/README.md."""


@pytest.fixture(scope="module")
def vertebrae():
    return list(table.structures(bundled_case()))


@pytest.fixture(scope="module")
def tracker():
    return SliceTracker.load(DEMO, "cpu")


def scenario_of(title):
    return next(scenario for scenario in SCENARIOS if scenario.title == title)


def mean_dice(method, title, vertebrae):
    return np.mean(table.measure(vertebrae, [method], scenario_of(title)))


@pytest.mark.parametrize("title", CARD)
def test_it_is_as_good_as_its_card_says(title, tracker, vertebrae):
    found = mean_dice(table.by_model(tracker, table.Crop()), title, vertebrae)
    assert found > CARD[title] - MARGIN


def test_from_three_axes_it_beats_interpolation_of_the_same_seeds(tracker, vertebrae):
    """Else a demonstration would show that no model is needed."""
    title = "first-middle-last, three axes"
    ours = mean_dice(table.by_model(tracker, table.Crop()), title, vertebrae)
    assert ours > mean_dice(table.by_interpolation, title, vertebrae) + 0.02


def test_it_is_small_enough_to_be_bundled():
    assert checkpoints.path_of(DEMO).stat().st_size < 10e6
