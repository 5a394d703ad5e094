"""Progress that can be believed, a run that can be cancelled, a result that says how it was made."""

import json
import math
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from propagation_runs import AXIAL, BETWEEN, finish, result_of

from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.volume import Box, Plane, Volume


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("first-last", Settings()),
        ("first-last", BETWEEN),
        ("first-middle-last", Settings(planes=AXIAL, passes=2, direction="backward", extend=False)),
        ("middle", Settings(planes=AXIAL)),  # ends before the volume does
        ("uniform-5", Settings(planes=AXIAL, passes=2)),
    ],
    ids=["three axes", "between", "two passes", "single seed", "two passes, extended"],
)
def test_progress(a_fast_tracker, a_phantom, strategy, settings):
    """The bar goes forward only, never promises less than it takes, and ends at its end."""
    seeds = a_phantom.seeds(strategy, names=("middle", "above"))
    steps, _ = finish(Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds, settings)))
    slices = [step for step in steps if step.plane is not None]
    assert [step.done for step in slices] == list(range(1, len(slices) + 1))
    totals = [step.total for step in steps]
    assert totals == sorted(totals, reverse=True) and totals[-1] == len(slices)
    assert steps[-1].slices_left == 0 and steps[-1].seconds_left == 0
    for step in steps:
        assert step.done + step.slices_left == step.total and step.segment in seeds
        assert step.seconds_left is None or (step.seconds_left >= 0 and math.isfinite(step.seconds_left))
    for step in slices:
        assert step.plane in (settings.planes or tuple(Plane))
        assert 0 <= step.index < a_phantom.volume.view(step.plane).count
    assert all(step.done == step.total for step in steps[len(slices) :]), "slices after the last slice"
    assert {step.segment for step in slices} == set(seeds)


def test_closing_cancels_and_leaves_the_segmenter_usable(a_fast_tracker, a_phantom):
    """The Cancel button, at the start, inside of an axis and just before the end; then the user tries again."""
    seeds, segmenter = a_phantom.seeds("first-last", AXIAL), Segmenter(a_fast_tracker)
    expected = finish(segmenter.run(Request.of(a_phantom.volume, seeds)))
    for steps in (0, 1, 7, len(expected[0])):
        run = segmenter.run(Request.of(a_phantom.volume, seeds))
        for _ in range(steps):
            next(run)
        run.close()
        with pytest.raises(StopIteration) as nothing:
            next(run)
        assert nothing.value.value is None
    again = result_of(a_fast_tracker, a_phantom.volume, seeds)
    np.testing.assert_array_equal(again.segments["middle"].mask, expected[1].segments["middle"].mask)


def test_two_runs_can_be_stepped_in_turn(a_fast_tracker, a_phantom):
    """Two views of one Slicer: neither run may see the memory of the other."""
    segmenter = Segmenter(a_fast_tracker)
    runs = [segmenter.run(Request.of(a_phantom.volume, a_phantom.seeds("first-last", AXIAL, (n,)))) for n in
            ("middle", "above")]  # fmt: skip
    masks = {}
    while len(masks) < 2:
        for run in runs:
            try:
                next(run)
            except StopIteration as end:
                if end.value:
                    masks |= {name: segment.mask for name, segment in end.value.segments.items()}
    for name, mask in masks.items():
        seeds = a_phantom.seeds("first-last", AXIAL, (name,))
        alone = result_of(a_fast_tracker, a_phantom.volume, seeds).segments[name].mask
        np.testing.assert_array_equal(mask, alone)


def test_the_voxels_and_seeds_of_the_user_are_not_changed(a_fast_tracker, a_phantom):
    before = a_phantom.volume.voxels.copy()
    seeds = a_phantom.seeds("first-last", AXIAL)
    masks = [seed.mask.copy() for seed in seeds["middle"]]
    result_of(a_fast_tracker, a_phantom.volume, seeds, Settings(clahe=True))
    np.testing.assert_array_equal(a_phantom.volume.voxels, before)
    for seed, mask in zip(seeds["middle"], masks, strict=True):
        np.testing.assert_array_equal(seed.mask, mask)


def test_provenance_says_how_the_result_was_made(a_fast_tracker, a_phantom):
    """Years later: which model, which settings, which seeds, which versions. In plain values that JSON keeps."""
    settings = Settings(roi=Box((0, 0, 0), (28, 28, 27)), window=(np.float32(-100), 900), planes=("axial",))
    seeds = a_phantom.seeds("first-last", AXIAL)
    result = result_of(a_fast_tracker, a_phantom.volume, seeds, settings)
    kept = json.loads(json.dumps(result.provenance))
    assert Settings.from_dict(kept["settings"]) == settings
    assert kept["model"] == {
        "name": "demo",
        "sha256": a_fast_tracker.checkpoint_sha256,
        "image_size": 64,
        "device": "cpu",
        "precision": "float32",
    }
    assert len(kept["model"]["sha256"]) == 64
    assert kept["volume"] == {"name": "phantom", "fingerprint": a_phantom.volume.fingerprint()}
    assert kept["segments"]["middle"]["seeds"] == [f"axial:{seed.index}" for seed in seeds["middle"]]
    assert 0 <= kept["segments"]["middle"]["mean_confidence"] <= 1
    assert kept["versions"]["torch"] == version("torch") and kept["versions"]["sam2"] == version("sam2")
    assert kept["program"].startswith("SAM2VolumeSeg ") and kept["seconds"] > 0
    assert datetime.fromisoformat(kept["date"]).tzinfo is not None


def test_a_package_without_metadata_does_not_cost_the_result(a_fast_tracker, a_phantom, monkeypatch):
    """Wheels unpacked by hand, as on a computer without internet, have none: the finished run was lost."""

    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("SAM2VolumeSegLib.propagation.segmenter.version", missing)
    result = result_of(a_fast_tracker, a_phantom.volume, a_phantom.seeds("first-last", AXIAL))
    assert result.provenance["versions"]["torch"] == "unknown" and result.segments["middle"].mask.any()


def test_confidence_is_given_for_every_slice(a_fast_tracker, a_phantom):
    """The module shows where to look first: a slice without a value would look perfect or broken."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    segment = result_of(a_fast_tracker, a_phantom.volume, seeds, BETWEEN).segments["middle"]
    values = segment.confidence[Plane.AXIAL]
    first, last = sorted(seed.index for seed in seeds["middle"])
    assert list(values) == list(range(first, last + 1)) and values[first] == values[last] == 1.0
    assert all(0 <= value <= 1 for value in values.values())
    assert segment.mean_confidence == pytest.approx(np.mean(list(values.values())))


def test_settings_of_one_run_do_not_reach_the_next(a_fast_tracker, a_phantom):
    seeds = a_phantom.seeds("first-last", AXIAL)
    first = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"].logits
    result_of(a_fast_tracker, a_phantom.volume, seeds, replace(Settings(), passes=2, window="lung", extend=True))
    again = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"].logits
    np.testing.assert_array_equal(first, again)


def test_provenance_says_which_window_min_max_was(a_fast_tracker, a_phantom):
    """Padding of -3024 HU widens it: whoever wonders about a flat picture finds the numbers."""
    voxels = a_phantom.volume.voxels.astype(np.int16)
    voxels[:, 0, 0] = -3024
    volume = Volume(voxels, a_phantom.volume.ijk_to_ras)
    seeds = a_phantom.seeds(planes=AXIAL)
    for window, limits in (("min-max", [-3024.0, float(voxels.max())]), ("bone", [-100.0, 900.0])):
        result = result_of(a_fast_tracker, volume, seeds, Settings(window=window))
        assert result.provenance["window_hu"] == limits
