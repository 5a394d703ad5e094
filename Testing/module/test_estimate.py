"""How many slices, how long: counted as the engine does it, and measured on this computer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel import measure as measuring
from SAM2VolumeSegLib.panel.estimate import Speed, Timings, Workload
from SAM2VolumeSegLib.panel.measure import measure, slices_to_measure
from SAM2VolumeSegLib.panel.preview import crop_to_show, preview_sentence
from SAM2VolumeSegLib.propagation import Segmenter, Settings
from SAM2VolumeSegLib.propagation.pictures import Intensities, PlanePictures, crops
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Box, Plane, Volume, Window


@pytest.fixture
def a_ball():
    """A CT of 32 x 32 x 32 voxels with one ball, painted on three axial slices and a coronal one."""
    k, j, i = np.indices((32, 32, 32))
    mask = ((k - 16) / 10) ** 2 + ((j - 16) / 8) ** 2 + ((i - 16) / 6) ** 2 <= 1
    volume = Volume(np.where(mask, 500, 0).astype(np.int16), np.diag([1.0, 1.0, 2.0, 1.0]), "ball")
    seeds = [*simulate_seeds(mask, volume, "first-middle-last", [Plane.AXIAL])]
    seeds.append(SeedSlice(Plane.CORONAL, 16, volume.view(Plane.CORONAL).slice(mask, 16).copy()))
    return SimpleNamespace(volume=volume, mask=mask, seeds=seeds)


def run_to_end(generator):
    steps = 0
    while True:
        try:
            next(generator)
            steps += 1
        except StopIteration as end:
            return steps, end.value


# ---------------------------------------------------------------------------------------------------------------- count


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"direction": ch.Direction.FORWARD},
        {"passes": 2, "coronal": False},
        {"extend": True, "direction": ch.Direction.FORWARD},
    ],
)
def test_the_number_of_slices_is_that_of_the_engine(changes, a_ball, a_tracker):
    chosen = ch.Choices(**changes)
    run = Segmenter(a_tracker).run(a_ball.volume, {"b": a_ball.seeds}, ch.settings_from(chosen))
    first = next(run)
    run.close()
    assert estimate.count_slices({"b": a_ball.seeds}, a_ball.volume, chosen) == first.total


@pytest.mark.parametrize("crop_each", [False, True])
def test_the_encoder_is_counted_once_for_each_slice_as_the_engine_does_it(crop_each, a_ball, a_fast_tracker):
    """Both ways and both segments share what was encoded, unless each segment has a crop of its own."""
    axial = [seed for seed in a_ball.seeds if seed.plane is Plane.AXIAL]
    half = np.arange(axial[0].mask.shape[1]) < axial[0].mask.shape[1] // 2  # another crop, on the same slices
    seeds = {"a": axial, "b": [replace(seed, mask=seed.mask & half) for seed in axial[:2]]}
    chosen = ch.Choices(cropEach=crop_each)
    work = estimate.workload(seeds, a_ball.volume, chosen)
    Segmenter(a_fast_tracker).segment(a_ball.volume, seeds, ch.settings_from(chosen))
    assert work.encoded == a_fast_tracker.encoded
    again = estimate.workload(seeds, a_ball.volume, chosen, is_encoded=lambda segment, plane, index: True)
    assert again.encoded == 0 and again.predicted == work.predicted


def test_the_memory_of_stock_sam2_is_counted_as_larger(a_ball):
    recommended = estimate.workload({"b": a_ball.seeds}, a_ball.volume, ch.Choices()).memories
    stock = estimate.workload({"b": a_ball.seeds}, a_ball.volume, replace(ch.Choices(), **ch.STOCK_SAM2)).memories
    assert 3 <= recommended <= 5  # two recent ones and what is near
    assert 8 < stock <= 9  # six recent ones and three painted


def test_choices_that_do_not_go_together_are_told(a_ball):
    for wrong in (ch.Choices(recent=6), ch.Choices(axial=False, coronal=False, sagittal=False)):
        with pytest.raises(InputError):
            estimate.workload({"b": a_ball.seeds}, a_ball.volume, wrong)


# -------------------------------------------------------------------------------------------------------------- measure


def pictures_of(ball, size):
    return PlanePictures(Intensities(ball.volume, Window(0, 500), False), Plane.AXIAL, Box.whole(ball.volume), size)


def test_a_few_slices_tell_how_fast_the_model_is(a_ball, a_fast_tracker):
    pictures = pictures_of(a_ball, 64)
    steps, speed = run_to_end(measure(a_fast_tracker, pictures, slices_to_measure(pictures, 16)))
    assert steps == 8  # each a short piece of work: views stay alive
    assert speed.encode > 0 and speed.predict > 0 and speed.memory >= 0
    assert a_fast_tracker.encoded <= 1 + 2 * a_fast_tracker.plan.batch_size
    assert a_fast_tracker.is_encoded(pictures, 16)  # the run need not do it again
    # Nothing is left to encode: it is measured all the same.
    for index in range(pictures.view.count):
        a_fast_tracker.features(pictures, index)
    before = a_fast_tracker.encoded
    _, again = run_to_end(measure(a_fast_tracker, pictures, slices_to_measure(pictures, 16)))
    assert a_fast_tracker.encoded > before and again.encode > 0


def test_a_ct_of_two_slices_is_enough(a_fast_tracker):
    volume = Volume(np.zeros((2, 16, 16), np.int16), np.eye(4))
    pictures = PlanePictures(Intensities(volume, Window(0, 1), False), Plane.AXIAL, Box.whole(volume), 64)
    _, speed = run_to_end(measure(a_fast_tracker, pictures, slices_to_measure(pictures, 1)))
    assert speed.encode > 0


@pytest.fixture
def a_slow_clock(a_tracker, monkeypatch):
    """A clock that only the network of `a_tracker` moves: what it computes costs seconds, however busy the machine."""
    now = [0.0]
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: now[0], monotonic=lambda: now[0]))

    def costs(part, seconds):
        compute = getattr(a_tracker.network, part)

        def slow(*arguments):
            now[0] += seconds(*arguments)
            return compute(*arguments)

        monkeypatch.setattr(a_tracker.network, part, slow)

    costs("encode", lambda pictures: 0.3 * len(pictures))
    costs("prompt", lambda *arguments: 0.1)
    costs("track", lambda features, queries: sum(0.2 + 0.05 * len(query.spatial) for query in queries))
    return now


def test_a_measurement_predicts_a_run(a_ball, a_tracker, a_slow_clock):
    """A little too long, since painted slices count as predicted: the user plans with it."""
    chosen = ch.Choices(coronal=False, sagittal=False)
    settings = ch.settings_from(chosen)
    seeds = {"b": [seed for seed in a_ball.seeds if seed.plane is Plane.AXIAL]}
    pictures = pictures_of(a_ball, a_tracker.plan.image_size)
    _, speed = run_to_end(measure(a_tracker, pictures, slices_to_measure(pictures, 16)))
    assert (speed.encode, speed.predict, speed.memory) == pytest.approx((0.3, 0.2, 0.05))
    a_tracker.forget()
    started = a_slow_clock[0]
    Segmenter(a_tracker).segment(a_ball.volume, seeds, settings)
    took = a_slow_clock[0] - started
    assert 1 <= speed.seconds(estimate.workload(seeds, a_ball.volume, chosen)) / took < 1.25


def test_what_is_needed_first_is_measured_first(a_ball):
    pictures = pictures_of(a_ball, 64)
    order = slices_to_measure(pictures, 20)
    assert order[0] == 20 and set(order[1:3]) == {19, 21} and sorted(order) == list(range(32))


# ----------------------------------------------------------------------------------------------------------------- keep


def test_speeds_are_kept_and_refined_by_runs():
    timings, work = Timings.from_json(None), Workload(100, 50, 3.0)
    key = estimate.timing_key("ab" * 32, "cpu 8 threads", 512, "0.1.0")
    assert timings.predict(key, work) is None
    timings.refine(key, work, 10.0)  # nothing to refine yet
    assert timings.predict(key, work) is None
    timings.record(key, Speed(1.0, 0.2, 0.1))
    assert timings.predict(key, work) == pytest.approx(50 + 100 * 0.5)
    timings.refine(key, work, 200.0)  # twice as long as was thought
    assert timings.predict(key, work) == pytest.approx(150)
    timings.refine(key, Workload(2, 2, 3.0), 500.0)  # too short to count
    again = Timings.from_json(timings.to_json())
    assert again.predict(key, work) == pytest.approx(150)


@pytest.mark.parametrize("text", ["not json", "[1]", '{"small cpu 512": 0.4}', '{"a": [1, 2]}', '{"a": [0, 1, 1]}'])
def test_what_another_version_kept_is_left_out(text):
    assert Timings.from_json(text).speeds == {}


def test_what_decides_the_speed_is_in_the_key():
    base = ("ab" * 32, "cpu 8 threads", 512, "0.1.0")
    others = [
        ("cd" * 32, *base[1:]),
        (base[0], "cpu 2 threads", *base[2:]),
        (*base[:2], 256, base[3]),
        (*base[:3], "2"),
    ]
    assert len({estimate.timing_key(*key) for key in (base, *others)}) == 5


# ------------------------------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (42, "42 s"), (100, "2 min"), (4900, "1 h 22 min")])
def test_times_are_written_for_people(seconds, text):
    assert estimate.duration(seconds) == text


def test_sentences_before_and_during_a_run():
    assert "About 2 min, measured" in estimate.before_sentence(240, "cuda:0", 100)
    assert "NVIDIA" in estimate.before_sentence(240, "cuda:0", None)
    assert "not been measured" in estimate.before_sentence(240, "cpu", None)
    assert "being measured" in estimate.before_sentence(240, "cpu", None, measuring=True)
    assert "Apple" in estimate.device_text("mps")
    progress = SimpleNamespace(seconds_left=40.0, plane=Plane.AXIAL, done=3, total=9)
    text = estimate.progress_sentence(progress, "S 12.5 mm", "L3")
    assert text == "L3: axial slice at S 12.5 mm, 3 of 9. About 40 s left."
    early = SimpleNamespace(seconds_left=None, plane=Plane.AXIAL, done=1, total=9)
    assert "not known yet" in estimate.progress_sentence(early, "S 12.5 mm", "L3")
    late = SimpleNamespace(seconds_left=2.0, plane=None, done=9, total=9)
    assert estimate.progress_sentence(late, None, "L3") == "L3: bringing the axes together. About 2 s left."


# ----------------------------------------------------------------------------------------------------------------- crop


@pytest.mark.parametrize("margin", [0.0, 3.5, 1000.0])
def test_the_crop_of_slices_is_that_of_the_painted_masks(a_ball, margin):
    empty = SeedSlice(Plane.AXIAL, 1, np.zeros((32, 32), bool))
    seeds = {"a": [*a_ball.seeds[:1], empty], "b": a_ball.seeds[3:]}
    masks = {name: paint_seeds(own, a_ball.volume) for name, own in seeds.items()}
    ((names, box),) = crops(a_ball.volume, seeds, Settings(margin_mm=margin))
    assert names == ["a", "b"] and box == Box.around(masks.values(), a_ball.volume, margin)
    each = crops(a_ball.volume, seeds, Settings(margin_mm=margin, crop_each=True))
    assert each == [([name], Box.around(mask, a_ball.volume, margin)) for name, mask in masks.items()]


def test_the_crop_that_is_shown_is_the_segments_or_the_shared_one(a_ball):
    seeds = {"a": a_ball.seeds[:1], "b": a_ball.seeds[3:], "none": []}
    shared, each = Settings(), Settings(crop_each=True)
    painted = {name: seeds[name] for name in ("a", "b")}
    assert crop_to_show(a_ball.volume, seeds, shared, "none") == crops(a_ball.volume, painted, shared)[0][1]
    assert crop_to_show(a_ball.volume, seeds, each, "b") == crops(a_ball.volume, {"b": seeds["b"]}, shared)[0][1]
    assert crop_to_show(a_ball.volume, seeds, each, "none") is None
    assert crop_to_show(a_ball.volume, {}, shared, "") is None
    text = preview_sentence(a_ball.volume, Box((0, 0, 0), (16, 16, 16)), 64)
    assert "64 \u00d7 64 pixels" in text and "0.25 mm (axial), 0.5 mm (coronal), 0.5 mm (sagittal)" in text
    assert "once something is painted" in preview_sentence(a_ball.volume, None, 64)
