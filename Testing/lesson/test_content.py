"""What a page holds is what the engine computed, read back from the file."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from propagation_runs import finish

from SAM2VolumeSegLib.lesson.content import content_of
from SAM2VolumeSegLib.lesson.packing import bytes_to_logits, packed, unpacked
from SAM2VolumeSegLib.lesson.page import page_of, read_words
from SAM2VolumeSegLib.lesson.run import PLANES, lesson_of
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction
from SAM2VolumeSegLib.model.policy import SAM2_LIMITS
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

HALF_A_STEP = LOGIT_LIMIT / 254 + 1e-6  # a byte has 254 steps for logits from -LOGIT_LIMIT to LOGIT_LIMIT


def test_the_lesson_is_of_the_settings_that_its_questions_are_about(a_lesson):
    assert [run.way.name for run in a_lesson.runs] == ["recommended", "paper", "stock", "afar", "ages"]
    assert a_lesson.runs[0].way.settings == RECOMMENDED
    assert set(a_lesson.runs[2].votes) == {Plane.AXIAL}, "stock SAM2 has one axis"


def test_a_lesson_is_of_what_a_run_answers(a_lesson):
    """A lesson of something else than what the student's own run gives would teach nonsense."""
    from SAM2VolumeSegLib.model import checkpoints

    tracker = SliceTracker.load(checkpoints.find("demo"), "cpu")
    segment = Segmenter(tracker).segment(a_lesson.request).segments[a_lesson.segment]
    assert np.array_equal(a_lesson.upright.whole(segment.mask), a_lesson.runs[0].final)


def test_every_mask_of_every_setting_is_in_the_page(a_lesson, embedded):
    for run, way in zip(a_lesson.runs, embedded["ways"], strict=True):
        bits = unpacked(way["masks"])
        for number, plane in enumerate(PLANES):
            assert np.array_equal(bits >> number & 1, run.answer(plane))
        assert np.array_equal(bits >> 3 & 1, run.mean > 0)
        assert np.array_equal(bits >> 4 & 1, run.final)
    assert np.array_equal(unpacked(embedded["reference"]), a_lesson.reference)


def test_every_vote_is_in_the_page_and_adds_up_to_the_mean(a_lesson, embedded):
    """With what the page holds, a student computes the logits that the run had before surfaces moved to edges."""
    run, total, weight = a_lesson.runs[0], 0, 0
    assert run.way.settings.edges and embedded["votes"]["planes"].keys() == {"axial", "coronal", "sagittal"}
    for axis, plane in enumerate(PLANES):
        votes = embedded["votes"]["planes"][plane.value]
        logits = bytes_to_logits(unpacked(votes["logits"]), LOGIT_LIMIT)
        np.testing.assert_allclose(logits, run.votes[plane], atol=HALF_A_STEP)
        # A weight for each slice, and for what is said there: as wide as the volume.
        here, absent = (np.array([row[n] or 0 for row in votes["weights"]], dtype=np.float32) for n in (0, 1))
        shape = [1, 1, 1]
        shape[axis] = -1
        counts = np.where(run.votes[plane] >= 0, here.reshape(shape), absent.reshape(shape))
        counts = np.where(np.isnan(run.votes[plane]), 0, counts)
        np.testing.assert_allclose(counts, run.weights[plane], rtol=1e-5)  # six digits are kept
        total, weight = total + np.where(counts > 0, logits, 0) * counts, weight + counts
    mean = np.divide(total, weight, out=np.full_like(total, -LOGIT_LIMIT), where=weight > 0)
    np.testing.assert_allclose(mean, run.mean, atol=HALF_A_STEP + 1e-4)
    fused = bytes_to_logits(unpacked(embedded["votes"]["fused"]), LOGIT_LIMIT)
    np.testing.assert_allclose(fused, run.fused, atol=HALF_A_STEP)


def test_edges_move_the_surface_and_the_page_can_say_where(a_lesson):
    """The mean is not the final mask: a page that showed one for the other would be wrong at every surface."""
    run = a_lesson.runs[0]
    differ = (run.mean > 0) != run.final
    assert 0 < differ.sum() < run.final.sum() / 2


def test_what_a_slice_looked_at_is_in_the_page(a_lesson, embedded):
    """Pictures with their ages, pointers, shares of attention and maps, and the mask that was answered or given."""
    compared = 0
    for run, way in zip(a_lesson.runs, embedded["ways"], strict=True):
        for plane in run.votes:
            for walk in way["planes"][plane.value]["walks"]:
                record, maps = run.walks[plane, walk["step"]], iter(unpacked(walk["heat"]))
                masks = unpacked(walk["masks"])
                assert walk["given"] == record.given
                for seen, one, mask in zip(record.seen.values(), walk["seen"], masks, strict=True):
                    assert one["index"] == seen.index and np.array_equal(mask, seen.mask)
                    assert [row[:2] for row in one["pictures"]] == [[p.index, p.age] for p in seen.spatial]
                    assert [row[:2] for row in one["pointers"]] == [[p.index, p.ago] for p in seen.pointers]
                    for (*_, share), looked in zip(one["pictures"], seen.spatial, strict=True):
                        heat = next(maps) * (looked.heat.max() / 252)  # in 64 levels, the highest of which is 252
                        np.testing.assert_allclose(heat, looked.heat, atol=looked.heat.max() / 126 * 1.001)
                        assert share == pytest.approx(float(looked.heat.sum()), abs=1e-5)  # five digits
                        compared += 1
                    shares = [row[2] for row in (*one["pictures"], *one["pointers"])]
                    assert not shares or sum(shares) == pytest.approx(1, abs=1e-5 * len(shares))
                assert next(maps, None) is None
    assert compared > 1000


def test_pictures_are_those_that_the_model_saw(a_lesson, embedded):
    for plane in PLANES:
        values = embedded["looks"][embedded["ways"][0]["planes"][plane.value]["look"]]
        pictures = a_lesson.sight.pictures(a_lesson.segment, plane)
        sheet = values["pictures"]
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["source"].split(",")[1]))).convert("L"))
        size = sheet["size"]
        assert size == a_lesson.sight.image_size and len(values["visited"]) > 20
        for number, index in enumerate(values["visited"]):
            row, column = divmod(number, sheet["columns"])
            shown = image[row * size : (row + 1) * size, column * size : (column + 1) * size]
            # 64 greys, the brightest of which is 252.
            np.testing.assert_allclose(shown / 252, pictures.picture(index), atol=1 / 126 + 1e-6)


def test_settings_that_see_other_pictures_show_their_own():
    """A segment that stock SAM2 cannot carry is not in its crop: there the other one is seen larger."""
    volume = Volume(np.random.default_rng(0).integers(0, 900, (24, 24, 48)).astype(np.int16), np.eye(4), "two")
    masks = {"left": (8, 16, 8, 16, 4, 16), "right": (8, 16, 8, 16, 20, 44)}
    seeds = {}
    for name, (k, k2, j, j2, i, i2) in masks.items():
        mask = np.zeros(volume.voxels.shape, dtype=bool)
        mask[k:k2, j:j2, i:i2] = True
        planes = tuple(Plane) if name == "left" else (Plane.SAGITTAL,)
        seeds[name] = simulate_seeds(mask, volume, "first-middle-last", planes)
    tracker = SliceTracker(Noise(), DevicePlan(torch.device("cpu"), torch.float32, 64, 8, 1 << 30), "noise")
    request = Request.of(volume, seeds, Settings(crop="shared", margin_mm=2))
    lesson = finish(lesson_of(tracker, request, "left"))[1]
    content = content_of(lesson)
    assert [way["name"] for way in content["ways"]][2] == "stock"
    looks = [content["looks"][way["planes"]["axial"]["look"]] for way in (content["ways"][0], content["ways"][2])]
    assert looks[0]["pictures"]["source"] != looks[1]["pictures"]["source"], "stock SAM2 carries the left one alone"
    for run, look in zip((lesson.runs[0], lesson.runs[2]), looks, strict=True):
        (walk, *_) = run.walks_on(Plane.AXIAL)
        assert {one.index for one in walk.seen.values()} <= set(look["visited"])


def test_slices_have_the_indices_of_the_volume(a_lesson, embedded):
    """The page stands upright; a slice's number is the one that Slicer and the command line use."""
    volume, truth = a_lesson.request.volume, a_lesson.whole_reference
    for axis, plane in enumerate(PLANES):
        view, indices = volume.view(plane), embedded["planes"][plane.value]["indices"]
        area = [int(view.slice(truth, index).sum()) for index in indices]
        others = tuple({0, 1, 2} - {axis})
        assert area == unpacked(embedded["reference"]).sum(axis=others).tolist()
        painted = {seed.index for seed in a_lesson.request.named_seeds[a_lesson.segment] if seed.plane is plane}
        assert set(embedded["planes"][plane.value]["painted"]) == painted


def test_dice_of_every_slice_is_in_the_page(a_lesson, embedded):
    def dice(one, other):
        total = one.sum() + other.sum()
        return pytest.approx(2 * (one & other).sum() / total) if total else None

    for run, way in zip(a_lesson.runs, embedded["ways"], strict=True):
        assert way["dice"] == dice(run.final, a_lesson.reference)
        for axis, plane in enumerate(PLANES):
            for position in range(a_lesson.upright.shape[axis]):
                at = (slice(None),) * axis + (position,)
                truth = a_lesson.reference[at]
                found = way["diceOfSlices"][plane.value]
                assert found["final"][position] == dice(run.final[at], truth)
                silent = plane not in run.votes or np.isnan(run.votes[plane][at]).all()
                assert found["axis"][position] == (None if silent else dice(run.answer(plane)[at], truth))


def test_where_two_settings_part_is_in_the_page(a_lesson, embedded):
    one, other = a_lesson.runs[1], a_lesson.runs[3]
    parting = embedded["partings"]["1 3 axial"]["axis"]
    differ = (one.answer(Plane.AXIAL) != other.answer(Plane.AXIAL)).sum(axis=(1, 2))
    assert parting["most"] == differ.argmax()
    below = [n for n, value in enumerate(parting["dice"]) if value is not None and value < embedded["partBelow"]]
    assert parting["first"] == below[0] > 0
    assert len(embedded["partings"]) == 3 * (5 * 4 // 2)


def test_a_box_stands_upright_whatever_the_storage_order():
    """Superior, anterior and right lie at the ends, for a volume stored in any order."""
    from SAM2VolumeSegLib.lesson.run import Upright
    from SAM2VolumeSegLib.volume import Box

    matrix = np.array([[0, 0, -1.0, 9], [-2.0, 0, 0, 4], [0, 3.0, 0, 1], [0, 0, 0, 1]])  # i to P, j to S, k to L
    volume = Volume(np.zeros((5, 6, 7), dtype=np.int16), matrix, "turned")
    upright = Upright(volume, Box((1, 2, 3), (5, 6, 7)))
    k, j, i = np.indices((5, 6, 7))
    ras = np.stack([matrix[row, 0] * i + matrix[row, 1] * j + matrix[row, 2] * k for row in range(3)])
    right, anterior, superior = (upright.whole(values) for values in ras)
    assert (np.diff(superior, axis=0) > 0).all() and (np.diff(anterior, axis=1) > 0).all()
    assert (np.diff(right, axis=2) > 0).all()
    assert upright.spacing == [3, 2, 1]
    for axis, plane in enumerate(PLANES):
        view = volume.view(plane)
        position = [view.position_mm(index) for index in upright.indices(plane)]
        assert np.diff(position) == pytest.approx(upright.spacing[axis])


def test_bits_and_bytes_come_back():
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(unpacked(packed(values)), values)
    assert np.array_equal(unpacked(packed(values % 3 == 0)), values % 3 == 0)


class Noise:
    """A network without a thought: answers, and attention, that no packing makes smaller."""

    limits, logit_stride, watches_attention = SAM2_LIMITS, 4, False

    def on(self, device):
        self.random = torch.Generator().manual_seed(0)
        return self

    def encode(self, pictures):
        return [torch.nn.functional.avg_pool2d(pictures[:, None], 16)]

    def prompt(self, features, mask):
        return self.answer(torch.nn.functional.avg_pool2d(mask, 4) * 8 - 4)

    def track(self, features, queries):
        logits = torch.nn.functional.interpolate(features[0], scale_factor=4, mode="bilinear") * 10 - 5
        tokens = sum(memory.features.shape[-1] ** 2 for _, memory in queries[0].spatial) + len(queries[0].pointers)
        attention = torch.rand(len(queries), tokens, generator=self.random)
        return self.answer(logits, attention / attention.sum(dim=1, keepdim=True) if self.watches_attention else None)

    def answer(self, logits, attention=None):
        sure, memory = torch.ones(len(logits)), torch.zeros(len(logits), 1, 10, 10)
        return SlicePrediction(logits, sure, 5 * sure, SliceMemory(memory, torch.zeros(len(logits), 1)), attention)


def test_the_page_of_a_noisy_cube_of_128_is_below_15_megabytes():
    """It has to open from a USB stick, and to go through a mail."""
    random, place = np.random.default_rng(0), np.indices((128,) * 3) - 63.5
    ball = (place**2).sum(axis=0) < 60**2
    volume = Volume((random.normal(300, 100, ball.shape) + 400 * ball).astype(np.int16), np.eye(4), "cube")
    seeds = {"ball": simulate_seeds(ball, volume, "quarters", tuple(Plane))}
    tracker = SliceTracker(Noise(), DevicePlan(torch.device("cpu"), torch.float32, 160, 8, 1 << 30), "noise")
    lesson = finish(lesson_of(tracker, Request.of(volume, seeds), "ball", ball))[1]
    content = content_of(lesson)
    assert lesson.upright.shape == (128,) * 3 and len(content["planes"]["axial"]["visited"]) > 118
    size = len(page_of(content, read_words()).encode())
    assert size < 15e6, {name: len(json.dumps(value)) for name, value in content.items()}


def test_a_network_that_does_not_tell_what_it_attended_to_makes_a_lesson_all_the_same(a_phantom):
    class Silent(Noise):
        """No switch for attention, as a network of a student may have none."""

        watches_attention = property()

        def track(self, features, queries):
            return self.answer(torch.nn.functional.interpolate(features[0], scale_factor=4, mode="bilinear") * 10 - 5)

    tracker = SliceTracker(Silent(), DevicePlan(torch.device("cpu"), torch.float32, 64, 8, 1 << 30), "silent")
    request = Request.of(a_phantom.volume, a_phantom.seeds(), Settings(planes=("axial",)))
    content = json.loads(json.dumps(content_of(finish(lesson_of(tracker, request, "middle"))[1])))
    walk = content["ways"][0]["planes"]["axial"]["walks"][0]
    assert walk["heat"] is None and walk["seen"][1]["pictures"][0][2] is None
    assert content["reference"] is None and len(content["questions"]) == 5


def test_nothing_in_the_page_asks_the_network(a_page):
    """It is opened from a USB stick in a room without internet."""
    without = re.sub(r'<script type="application/json".*?</script>', "", a_page, flags=re.DOTALL)
    addresses = set(re.findall(r"""\b(?:src|href|url)(?:=|\()["']?([^"'\s>)]+)""", without))
    assert addresses <= {"data:,", "#views"}, addresses
    assert "default-src 'none'" in a_page
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\s*\(", without)
