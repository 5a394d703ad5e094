"""How many slices, how long: counted as the engine does it, and measured on this computer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel import measure as measuring
from SAM2VolumeSegLib.panel.estimate import Speed, Timings, Workload
from SAM2VolumeSegLib.panel.measure import measure, needed_first
from SAM2VolumeSegLib.panel.preview import preview_sentence
from SAM2VolumeSegLib.propagation import RECOMMENDED, STOCK_SAM2, Request, Segmenter, Settings, Sight
from SAM2VolumeSegLib.propagation.settings import CROPS
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Box, Plane, Volume


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


ROI = Box((8, 10, 9), (20, 24, 22))  # cuts the painted slices of `a_ball` off


@pytest.mark.parametrize(
    "chosen",
    [
        Settings(),
        Settings(extend=False),
        Settings(direction="forward"),
        Settings(passes=2, planes=("axial", "sagittal")),
        Settings(pace_mm=4.0),
        Settings(extend=False, direction="forward"),
        Settings(roi=ROI),
        Settings(crop="each", planes=("coronal",)),
    ],
)
def test_the_number_of_slices_is_that_of_the_engine(chosen, a_ball, a_tracker):
    """A region of interest ends an extension: the volume's ends would promise a longer run."""
    run = Segmenter(a_tracker).run(Request.of(a_ball.volume, {"b": a_ball.seeds}, chosen))
    first = next(run)
    run.close()
    assert estimate.workload(Sight(a_ball.volume, {"b": a_ball.seeds}, chosen, 64)).predicted == first.total


@pytest.mark.parametrize("crop", list(CROPS))
def test_the_encoder_is_counted_once_for_each_slice_as_the_engine_does_it(crop, a_ball, a_fast_tracker):
    """Both ways and both segments share what was encoded, unless each segment has a crop of its own."""
    axial = [seed for seed in a_ball.seeds if seed.plane is Plane.AXIAL]
    half = np.arange(axial[0].mask.shape[1]) < axial[0].mask.shape[1] // 2  # another crop, on the same slices
    seeds = {"a": axial, "b": [replace(seed, mask=seed.mask & half) for seed in axial[:2]]}
    chosen = Settings(crop=crop, extend=False)  # a run beyond the paint ends where the structure does
    sight = Sight(a_ball.volume, seeds, chosen, a_fast_tracker.plan.image_size)
    work = estimate.workload(sight, a_fast_tracker.is_encoded)
    Segmenter(a_fast_tracker).segment(Request.of(a_ball.volume, seeds, chosen))
    assert work.encoded == a_fast_tracker.encoded
    again = estimate.workload(sight, a_fast_tracker.is_encoded)
    assert again.encoded == 0 and again.predicted == work.predicted


def test_the_memory_of_stock_sam2_is_counted_as_larger(a_ball):
    recommended, stock = (
        estimate.workload(Sight(a_ball.volume, {"b": a_ball.seeds}, chosen, 64)).memories
        for chosen in (RECOMMENDED, STOCK_SAM2)
    )
    assert 3 <= recommended <= 5  # two recent ones and what is near
    assert 8 < stock <= 9  # six recent ones and three painted


# -------------------------------------------------------------------------------------------------------------- measure


def sight_of(ball, size, settings=RECOMMENDED):
    return Sight(ball.volume, {"b": ball.seeds}, settings, size)


def test_a_few_slices_tell_how_fast_the_model_is(a_ball, a_fast_tracker):
    pictures, indices = needed_first(sight_of(a_ball, 64))
    steps, speed = run_to_end(measure(a_fast_tracker, pictures, indices))
    assert steps == 8  # each a short piece of work: views stay alive
    assert speed.encode > 0 and speed.predict > 0 and speed.memory >= 0
    assert a_fast_tracker.encoded <= 1 + 2 * a_fast_tracker.plan.batch_size
    assert a_fast_tracker.is_encoded(pictures, 16)  # the run need not do it again
    # Nothing is left to encode: it is measured all the same.
    for index in range(pictures.view.count):
        a_fast_tracker.features(pictures, index)
    before = a_fast_tracker.encoded
    _, again = run_to_end(measure(a_fast_tracker, pictures, indices))
    assert a_fast_tracker.encoded > before and again.encode > 0


def test_a_ct_of_two_slices_is_enough(a_fast_tracker):
    volume = Volume(np.zeros((2, 16, 16), np.int16), np.eye(4))
    seeds = {"b": [SeedSlice(Plane.AXIAL, 1, np.ones((16, 16), bool))]}
    _, speed = run_to_end(measure(a_fast_tracker, *needed_first(Sight(volume, seeds, RECOMMENDED, 64))))
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
    """A little too long, since painted slices count as predicted: the user plans with it.

    Beyond the paint the structure may be gone before the limit that is counted: longer still, and never too short.
    """
    size = a_tracker.plan.image_size
    sight = sight_of(a_ball, size, Settings(planes=("axial",), extend=False))
    _, speed = run_to_end(measure(a_tracker, *needed_first(sight)))
    assert (speed.encode, speed.predict, speed.memory) == pytest.approx((0.3, 0.2, 0.05))

    def too_long(sight):
        a_tracker.forget()
        started = a_slow_clock[0]
        Segmenter(a_tracker).segment(Request.of(sight.volume, sight.seeds, sight.settings))
        return speed.seconds(estimate.workload(sight)) / (a_slow_clock[0] - started)

    assert 1 <= too_long(sight) < 1.25
    assert 1 <= too_long(sight_of(a_ball, size, Settings(planes=("axial",))))


def test_what_is_needed_first_is_measured_first(a_ball):
    pictures, order = needed_first(sight_of(a_ball, 64))
    assert pictures.view.plane is Plane.AXIAL  # where most is painted
    assert order[0] == 16 and set(order[1:3]) == {15, 17} and sorted(order) == list(range(32))


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
    shared = Sight(a_ball.volume, seeds, Settings(margin_mm=margin, crop="shared"), 64)
    assert shared.groups == (("a", "b"),)
    assert shared.crop("a") == shared.crop("b") == Box.around(masks.values(), a_ball.volume, margin)
    assert shared.pictures("a", Plane.AXIAL) is shared.pictures("b", Plane.AXIAL)  # each slice is encoded once
    each = Sight(a_ball.volume, seeds, Settings(margin_mm=margin, crop="each"), 64)
    assert each.groups == (("a",), ("b",))
    assert [each.crop(name) for name in seeds] == [Box.around(mask, a_ball.volume, margin) for mask in masks.values()]
    assert each.pictures("a", Plane.AXIAL) is not each.pictures("b", Plane.AXIAL)


def test_a_segment_without_paint_is_seen_with_the_others_or_on_the_whole_ct(a_ball):
    """What the switch shows before the user has painted it."""
    seeds = {"a": a_ball.seeds[:1], "none": []}
    shared, each, nothing = (
        Sight(a_ball.volume, own, Settings(crop=crop), 64)
        for own, crop in ((seeds, "auto"), (seeds, "each"), ({}, "auto"))
    )
    assert shared.crop("none") == shared.crop("a") is not None
    assert each.crop("none") is None and nothing.crop("") is None
    for sight, segment in ((each, "none"), (nothing, "")):
        assert sight.pictures(segment, Plane.CORONAL).box == Box.whole(a_ball.volume)
        assert "once something is painted" in preview_sentence(sight, segment)
    text = preview_sentence(Sight(a_ball.volume, seeds, Settings(roi=Box((0, 0, 0), (16, 16, 16))), 64), "a")
    assert "64 \u00d7 64 pixels" in text and "0.25 mm (axial), 0.5 mm (coronal), 0.5 mm (sagittal)" in text
