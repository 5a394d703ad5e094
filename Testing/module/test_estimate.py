"""How many slices, how long: counted as the engine does it, and measured on this computer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.model.pace import Speed, Work
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel.estimate import Timings
from SAM2VolumeSegLib.panel.measure import measure, needed_first
from SAM2VolumeSegLib.panel.preview import preview_sentence
from SAM2VolumeSegLib.propagation import RECOMMENDED, STOCK_SAM2, Request, Segmenter, Settings, Sight
from SAM2VolumeSegLib.propagation.settings import CROPS
from SAM2VolumeSegLib.propagation.workload import Workload, rehearsal, work_again, workload
from SAM2VolumeSegLib.research.bench.time_left import SimulatedClock
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
    assert workload(Sight(a_ball.volume, {"b": a_ball.seeds}, chosen, 64)).slices == first.total


@pytest.mark.parametrize("crop", list(CROPS))
def test_the_encoder_is_counted_once_for_each_slice_as_the_engine_does_it(crop, a_ball, a_fast_tracker):
    """Both ways and both segments share what was encoded, unless each segment has a crop of its own."""
    axial = [seed for seed in a_ball.seeds if seed.plane is Plane.AXIAL]
    half = np.arange(axial[0].mask.shape[1]) < axial[0].mask.shape[1] // 2  # another crop, on the same slices
    seeds = {"a": axial, "b": [replace(seed, mask=seed.mask & half) for seed in axial[:2]]}
    chosen = Settings(crop=crop, extend=False)  # a run beyond the paint ends where the structure does
    sight = Sight(a_ball.volume, seeds, chosen, a_fast_tracker.plan.image_size)
    work = workload(sight, a_fast_tracker.plan.batch_size, a_fast_tracker.is_encoded)
    Segmenter(a_fast_tracker).segment(Request.of(a_ball.volume, seeds, chosen))
    assert work.once.encode == a_fast_tracker.encoded and work.predicted == a_fast_tracker.tracked
    again = workload(sight, a_fast_tracker.plan.batch_size, a_fast_tracker.is_encoded)
    assert again.once.encode == 0 and again.predicted == work.predicted


def test_the_memory_of_stock_sam2_is_counted_as_larger(a_ball):
    recommended, stock = (
        work.whole.memory / work.whole.predict
        for work in (workload(Sight(a_ball.volume, {"b": a_ball.seeds}, by, 64)) for by in (RECOMMENDED, STOCK_SAM2))
    )
    assert 3 <= recommended <= 5  # two recent ones and what is near
    assert 8 < stock <= 9  # six recent ones and three painted


BETWEEN = Settings(extend=False)


@pytest.mark.parametrize(
    "chosen",
    [
        BETWEEN,
        replace(BETWEEN, direction="forward"),
        replace(BETWEEN, memory=VolumeMemory(gate=1)),
        replace(BETWEEN, passes=2),
        Settings(),
    ],
    ids=["between", "forward", "gated", "two passes", "beyond"],
)
def test_a_rehearsal_finds_what_a_run_after_a_correction_computes(chosen, a_ball, a_tracker):
    """After one corrected slice, "13 s" was said where it took 62 s."""
    segmenter, seeds = Segmenter(a_tracker), {"b": a_ball.seeds}

    def rehearsed():
        sight = Sight(a_ball.volume, seeds, chosen, a_tracker.plan.image_size)
        return run_to_end(rehearsal(a_tracker, sight))[1]

    segmenter.segment(Request.of(a_ball.volume, seeds, chosen))
    known = rehearsed()
    assert known.predicted == known.once.encode == known.once.prompt == 0 and known.known > 0
    first, middle, *others = a_ball.seeds
    changed = middle.mask.copy()
    changed[14:18, 14:18] = False  # the crop stays as it is
    seeds = {"b": [first, replace(middle, mask=changed), *others]}
    found, before = rehearsed(), (a_tracker.tracked, a_tracker.encoded)
    again = rehearsed()
    assert again == found and (a_tracker.tracked, a_tracker.encoded) == before, "a rehearsal computes something"
    segmenter.segment(Request.of(a_ball.volume, seeds, chosen))
    computed = a_tracker.tracked - before[0]
    assert 0 < computed < known.slices
    if chosen == Settings():  # beyond the paint, nobody knows where the structure ends now
        assert computed <= found.predicted <= computed + known.slices / 4
    elif chosen.passes == 1:  # nor which slices a second pass takes as prompts
        assert computed == found.predicted and found.once.prompt == 1


# -------------------------------------------------------------------------------------------------------------- measure


def sight_of(ball, size, settings=RECOMMENDED):
    return Sight(ball.volume, {"b": ball.seeds}, settings, size)


def test_a_few_slices_tell_how_fast_the_model_is(a_ball, a_fast_tracker):
    sight = sight_of(a_ball, 64)
    pictures, indices = needed_first(sight)
    steps, speed = run_to_end(measure(a_fast_tracker, sight))
    assert steps >= 13  # each a short piece of work: views stay alive
    assert speed.encode > 0 and speed.predict > 0 and speed.memory >= 0
    assert a_fast_tracker.encoded <= 1 + 2 * a_fast_tracker.plan.batch_size
    assert a_fast_tracker.is_encoded(pictures, 16)  # the run need not do it again
    # Nothing is left to encode: it is measured all the same.
    for index in range(pictures.view.count):
        a_fast_tracker.features(pictures, index)
    before = a_fast_tracker.encoded
    _, again = run_to_end(measure(a_fast_tracker, sight))
    assert a_fast_tracker.encoded > before and again.encode > 0


def test_a_ct_of_two_slices_is_enough(a_fast_tracker):
    volume = Volume(np.zeros((2, 16, 16), np.int16), np.eye(4))
    seeds = {"b": [SeedSlice(Plane.AXIAL, 1, np.ones((16, 16), bool))]}
    _, speed = run_to_end(measure(a_fast_tracker, Sight(volume, seeds, RECOMMENDED, 64)))
    assert speed.encode > 0


def test_encoding_calls_predictions_and_memories_are_measured_apart(a_ball, a_tracker):
    price = Speed(0.3, 0.1, 0.08, 0.2, 0.05, 0.0, 1e-6, 1e-5)
    with SimulatedClock(price, noise=0.0).of(a_tracker):
        _, speed = run_to_end(measure(a_tracker, sight_of(a_ball, a_tracker.plan.image_size)))
    for kind in ("encode", "prompt", "call", "predict", "memory", "edge"):
        assert getattr(speed, kind) == pytest.approx(getattr(price, kind)), kind


def test_what_is_needed_first_is_measured_first(a_ball):
    pictures, order = needed_first(sight_of(a_ball, 64))
    assert pictures.view.plane is Plane.AXIAL  # where most is painted
    assert order[0] == 16 and set(order[1:3]) == {15, 17} and sorted(order) == list(range(32))


# ----------------------------------------------------------------------------------------------------------------- keep


KEY = estimate.timing_key("ab" * 32, "cpu 8 threads", 512, "0.1.0")


def test_what_is_remembered_is_the_median_of_runs_kind_by_kind():
    """One busy moment made "14 min" of 126 s, and stayed."""
    timings = Timings.from_json(None)
    assert timings.speed(KEY) is None
    timings.record(KEY, {"encode": 0.3, "predict": 0.1})
    assert timings.speed(KEY) == Speed(encode=0.3, predict=0.1)
    timings.record(KEY, {"encode": 0.32, "predict": 0.12})
    timings.record(KEY, {"encode": 7.7})  # a busy moment, in a run that predicted nothing
    assert timings.speed(KEY) == Speed(encode=0.32, predict=pytest.approx(0.11))
    for _ in range(20):
        timings.record(KEY, {"predict": 0.2})  # another computer, or another PyTorch
    assert Timings.from_json(timings.to_json()).speed(KEY) == Speed(encode=0.32, predict=0.2)
    assert len(timings.seen[KEY]["predict"]) == estimate.RUNS


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1]",
        '{"a": 0.4}',
        '{"a": [7.7, 0.31, 0.03]}',
        '{"a": {"encode": 3, "other": [1], "predict": ["x"]}}',
    ],
)
def test_what_another_version_kept_is_forgotten(text):
    """Three numbers for each key were changed by one factor, whatever a run had computed: none of them is right."""
    assert Timings.from_json(text).seen == {}


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
    work = Workload(240, Work(), {}, {}, {}, {})
    assert "About 2 min, measured" in estimate.before_sentence(work, "cuda:0", 100)
    assert "NVIDIA" in estimate.before_sentence(work, "cuda:0", None)
    assert "not been measured" in estimate.before_sentence(work, "cpu", None)
    assert "being measured" in estimate.before_sentence(work, "cpu", None, measuring=True)
    assert "; 200 of them are known already. About" in estimate.before_sentence(replace(work, known=200), "cpu", 5)
    assert "Apple" in estimate.device_text("mps")
    progress = SimpleNamespace(seconds_left=40.0, plane=Plane.AXIAL, done=3, total=9)
    text = estimate.progress_sentence(progress, "S 12.5 mm", "L3")
    assert text == "L3: axial slice at S 12.5 mm, 3 of 9. About 40 s left."
    early = SimpleNamespace(seconds_left=None, plane=Plane.AXIAL, done=1, total=9)
    assert "not known yet" in estimate.progress_sentence(early, "S 12.5 mm", "L3")
    first = SimpleNamespace(seconds_left=None, plane=None, done=0, total=9)
    assert "seeing what is known already" in estimate.progress_sentence(first, None, "L3")
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


def test_a_self_check_is_not_estimated_to_be_less_than_it_computes(a_ball, a_fast_tracker):
    """Who is told five minutes and waits for ten presses Cancel."""
    from SAM2VolumeSegLib.review import Evidence
    from SAM2VolumeSegLib.review.self_check import SLAB_MM, self_check

    volume = a_ball.volume
    seeds = {"bone": simulate_seeds(a_ball.mask, volume, "first-middle-last", list(Plane))}
    segmenter, request = Segmenter(a_fast_tracker), Request.of(volume, seeds, RECOMMENDED)
    _steps, result = run_to_end(segmenter.run(request))
    before = a_fast_tracker.tracked, a_fast_tracker.encoded
    run_to_end(self_check(request, Evidence.of(request, result), segmenter.run_alike))
    computed = a_fast_tracker.tracked - before[0]
    sight = Sight(volume, request.seeds, request.settings, a_fast_tracker.plan.image_size)
    work = work_again(sight, SLAB_MM)
    assert a_fast_tracker.encoded == before[1] and work.encode == 0
    assert 0.5 * work.predict < computed <= work.predict and work.memory > 0
