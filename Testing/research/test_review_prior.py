"""What a review says of a patient of whom too little is painted is fitted by a command, and not by hand."""

import numpy as np
import pytest

from SAM2VolumeSegLib.research.study.readme import ROOT
from SAM2VolumeSegLib.research.study.review_prior import FILE, Structure, fit, write_prior, written
from SAM2VolumeSegLib.review import LeftOut, SelfCheck, prior
from SAM2VolumeSegLib.review.error_model import PRIOR, ErrorModel
from SAM2VolumeSegLib.review.features import NAMES
from SAM2VolumeSegLib.volume import Plane

WEIGHTS = (-1.0, -1.5, 1.0, 0.5, 0.25, 2.0)


def some_voxels(random, count, level=0.0):
    """Voxels of which the log odds of an error are known, and whether each is wrong."""
    values = (random.normal(0, 1, (count, len(NAMES))) + [1, -1.5, -1.5, 1, 0.2]).astype(np.float32)
    chance = ErrorModel((WEIGHTS[0] + level, *WEIGHTS[1:]), 0.0).chance(values)
    return values, random.random(count) < chance


def some_structures(levels, checked=True):
    random = np.random.default_rng(0)
    for number, level in enumerate(levels):
        values, wrong = some_voxels(random, 4000, level)
        slices = tuple(
            LeftOut("bone", Plane.AXIAL, n, f"S {n}.0 mm", "between", 0.9, 1.0, *some_voxels(random, 400, level))
            for n in range(9)
        )
        check = SelfCheck(slices, 1.0) if checked else None
        yield Structure(f"phantom-{number}", "quarters", "bone", values, wrong, int(wrong.sum()), check)


def test_weights_are_found_again():
    """Each within a fifth of its size or of 0.1: 80,000 voxels are known."""
    model, _checked = fit(list(some_structures([0.0] * 20)))
    np.testing.assert_allclose(model.weights, WEIGHTS, rtol=0.2, atol=0.1)
    assert model.log_ratio_sd < 0.15, "nothing but chance makes structures differ"


def test_a_self_check_brings_the_expected_wrong_volume_nearer():
    """Patients differ in how often errors occur; their left-out slices say so, and the interval gets narrower."""
    model, checked = fit(list(some_structures([-1.2, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2])))
    assert checked < 0.8 * model.log_ratio_sd


def test_the_file_in_the_repository_is_one_that_the_command_writes(tmp_path):
    """Its weights are those that a review takes."""
    text = (ROOT / FILE).read_text(encoding="utf-8")
    assert text == written(PRIOR, prior.LOG_RATIO_SD_CHECKED)
    assert PRIOR.weights == prior.WEIGHTS and len(prior.WEIGHTS) == 1 + len(NAMES)
    write_prior(tmp_path, ErrorModel(WEIGHTS, 0.5), 0.25)
    found = {}
    exec((tmp_path / FILE).read_text(encoding="utf-8"), found)
    assert found["WEIGHTS"] == WEIGHTS
    assert (found["LOG_RATIO_SD"], found["LOG_RATIO_SD_CHECKED"]) == pytest.approx((0.5, 0.25))


def test_what_is_likelier_by_its_nature_is_likelier_on_phantoms():
    """A sign that turned round is an error of the fit: deep inside, sure, and near paint results are right."""
    signs = dict(zip(NAMES, np.sign(prior.WEIGHTS[1:]), strict=True))
    assert signs == {"depth": -1, "result": 1, "votes": 1, "far": 1, "confidence": 1}
