"""The bench: both engines really run the same, and what is printed is what was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from SAM2VolumeSegLib.cli import main
from SAM2VolumeSegLib.model.pace import Speed
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation import Settings
from SAM2VolumeSegLib.research.bench import beside_busy, command, measure, time_left
from SAM2VolumeSegLib.research.bench.cases import PROFILES, BenchCase, case, tubes
from SAM2VolumeSegLib.research.bench.engines import Networks, Ours, Stock
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.volume import Box, Plane

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def networks():
    return Networks.load("demo", "cpu", 64)


def test_with_the_memory_of_stock_both_give_nearly_the_same(networks):
    """JPEG pictures and the way back to the grid are all that is left between them."""
    short = tubes(2, 10)
    settings = Settings(
        memory=STOCK, direction="forward", fusion="mean", drop_islands=False, roi=Box.whole(short.volume)
    )
    chosen = BenchCase(short.title, short.volume, short.seeds, short.references, settings)
    ours, stock = Ours(networks).run(chosen), Stock(networks).run(chosen)
    for name in chosen.seeds:
        assert dice(ours.masks[name], stock.masks[name]) > 0.8
        for seed in chosen.seeds[name]:
            for found in (ours, stock):
                np.testing.assert_array_equal(found.masks[name][seed.index], short.references[name][seed.index])


def test_a_row_has_every_component_and_its_parts_sum_up(networks):
    row = measure.measure(networks, tubes(1, 8), 2)
    for engine in ("ours", "stock"):
        assert len(row.seconds[engine]) == 2 and set(row.parts[engine]) == {
            "encode", "memory attention", "mask decoder", "memory encoder", "resampling", "fusion", "rest",
        }  # fmt: skip
        assert sum(row.parts[engine].values()) == pytest.approx(np.median(row.seconds[engine]), rel=0.5)
        assert min(row.parts[engine]["encode"], row.parts[engine]["resampling"]) > 0
    assert row.ratio == pytest.approx(np.median(row.seconds["stock"]) / np.median(row.seconds["ours"]))
    assert row.agreement is not None and row.equal is None and row.memory_mb == {"ours": None, "stock": None}
    json.dumps(row.to_dict())


def test_a_correction_starts_from_what_is_known(networks):
    chosen = case("correction")
    (name,) = chosen.seeds
    changed = [
        seed for seed, old in zip(chosen.seeds[name], chosen.before[name], strict=True)
        if not np.array_equal(seed.mask, old.mask)
    ]  # fmt: skip
    assert [seed.plane for seed in changed] == [Plane.AXIAL]
    ours = Ours(networks)
    found = ours.run(chosen)
    assert found.parts["encode"] == 0 < found.parts["mask decoder"]
    assert measure._equals_run_from_nothing(networks, chosen, found)


def test_random_weights_say_nothing_about_quality():
    """Small enough for a test; a Dice of random weights must never be printed."""
    networks = Networks.load("tiny", "cpu", 64)
    row = measure.measure(networks, tubes(1, 4), 1)
    assert row.agreement is None and row.dice == {"ours": None, "stock": None}
    assert "RANDOM WEIGHTS" in command._machine(networks)["model"]


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "case", lambda profile, every: tubes(2 if profile == "ten-segments" else 1, 6))
    monkeypatch.setattr(command, "tubes", lambda segments: tubes(segments, 6))
    monkeypatch.setattr(measure, "peak_memory", lambda *arguments: 12.0)
    target = tmp_path / "new" / "bench.json"
    profiles = ["three-axes", "ten-segments", "long-volume"]
    options = ["--image-size", "64", "--device", "cpu", "--repeats", "1", "--json", str(target)]
    assert main(["bench", "--profiles", *profiles, *options, "--pictures", str(tmp_path / "pictures")]) == 0
    printed = capsys.readouterr().out
    assert "times as long as one; stock" in printed and "peak MB" in printed and "memory attention" in printed
    found = json.loads(target.read_text(encoding="utf-8"))
    assert list(found["profiles"]) == ["three-axes", "ten-segments", "one-segment", "long-volume"]
    assert found["profiles"]["long-volume"]["memory_mb"] == {"ours": 12.0, "stock": 12.0}
    assert (tmp_path / "pictures" / "components.png").stat().st_size > 1000


def test_every_second_voxel_is_the_same_bone_on_half_of_the_slices():
    """For slow models: fewer slices, nothing else."""
    whole, half = case("three-axes"), case("three-axes", every=2)
    assert half.volume.voxels.shape == tuple((n + 1) // 2 for n in whole.volume.voxels.shape)
    assert half.volume.spacing == tuple(2 * mm for mm in whole.volume.spacing)
    np.testing.assert_array_equal(half.references["L3"], whole.references["L3"][::2, ::2, ::2])
    assert "one voxel of 2" in half.title and {seed.plane for seed in half.seeds["L3"]} == set(Plane)


def test_peak_memory_alone(tmp_path, capsys):
    """Each engine in a process of its own, so that one does not stand on what the other has taken."""
    target = tmp_path / "peaks.json"
    options = ["--image-size", "64", "--device", "cpu", "--threads", "1", "--json", str(target)]
    assert main(["bench", "--peaks", "6", "40", *options]) == 0
    printed = capsys.readouterr().out
    assert "40 slices: peak MB of ours" in printed and "median seconds" not in printed
    found = json.loads(target.read_text(encoding="utf-8"))
    assert found["profiles"] == {} and list(found["peak_mb"]) == ["6", "40"]
    assert all(set(peaks) == {"ours", "stock"} and min(peaks.values()) >= 0 for peaks in found["peak_mb"].values())


def test_a_busy_program_beside_a_run(tmp_path, capsys, monkeypatch):
    """Both ways to wait are measured, quiet and busy; one that takes too long is stopped and said to be longer."""
    target = tmp_path / "busy.json"
    options = ["--image-size", "64", "--device", "cpu", "--threads", "1", "--every", "4", "--json", str(target)]
    assert main(["bench", "--profiles", "beside-busy", *options]) == 0
    printed = capsys.readouterr().out
    assert "beside a busy program" in printed and "times as long" in printed and "median seconds" not in printed
    found = json.loads(target.read_text(encoding="utf-8"))["busy"]
    assert list(found) == ["asleep", "openmp"] and list(found["asleep"]) == ["0", "1"]
    assert min(found["asleep"].values()) > 0

    monkeypatch.setattr(beside_busy, "LIMIT", 0.1)
    assert beside_busy.measure_busy(Networks.load("demo", "cpu", 64)) == {
        "asleep": {0: None, 1: None}, "openmp": {0: None, 1: None}
    }  # fmt: skip


def test_how_true_the_time_left_is(tmp_path, capsys, monkeypatch):
    """By a simulated clock, so that a busy machine says the same."""
    small = tubes(1, 8)
    corrected = replace(small, before=small.seeds)
    monkeypatch.setattr(command, "case", lambda profile, every: corrected)
    monkeypatch.setattr(time_left, "ten_corrected", lambda: corrected)
    monkeypatch.setattr(time_left, "PRICES", {"demo": Speed()})
    target = tmp_path / "time.json"
    options = ["--image-size", "64", "--device", "cpu", "--threads", "1", "--json", str(target)]
    assert main(["bench", "--profiles", "time-left", *options]) == 0
    printed = capsys.readouterr().out
    assert "one segment, demo" in printed and "after a cancelled run" in printed
    found = json.loads(target.read_text(encoding="utf-8"))["time_left"]
    assert list(found) == ["one segment", "ten segments"]
    row = found["one segment"]["demo"]
    assert row["nothing known"]["before"] is None and row["measured"]["before"] >= 1 <= row["measured"]["worst"]
    assert row["measured"] == found["ten segments"]["demo"]["measured"], "the same is not the same each time"


def test_unusable_options_are_refused_in_words(tmp_path, capsys):
    assert main(["bench", "--repeats", "0"]) == 2
    (tmp_path / "file").write_text("")
    assert main(["bench", "--json", str(tmp_path / "file" / "bench.json")]) == 2
    errors = capsys.readouterr().err
    assert "1 or more" in errors and "cannot be made" in errors


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_a_case(profile):
    chosen = case(profile)
    assert len(chosen.seeds) == (10 if profile == "ten-segments" else 1)
    assert (chosen.before is not None) == (profile == "correction")
    for own in chosen.seeds.values():
        assert len(own) == (9 if profile in ("three-axes", "correction") else 3)
