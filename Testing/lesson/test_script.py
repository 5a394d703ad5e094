"""The page's own arithmetic, run without a browser: by the Node.js that playwright's wheel brings."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from SAM2VolumeSegLib.lesson import page
from SAM2VolumeSegLib.lesson.page import read_words
from SAM2VolumeSegLib.lesson.run import PLANES
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT

SCRIPT = Path(page.__file__).parent / "script"
HALF_A_STEP = LOGIT_LIMIT / 254 + 1e-6
STAND_IN = """
const given = (name) => require("fs").readFileSync(`${process.argv[2]}/${name}.json`, "utf8");
globalThis.document = { getElementById: (id) => ({ textContent: given(id) }) };
globalThis.Image = class { set src(_) { this.onload(); } };
"""
ASKED = """
unpackAll().then(() => {
  const votes = JSON.parse(given("points")).map((point) => {
    const found = votesAt(point);
    return [found.map(({ logit, weight }) => [logit, weight]), meanOf(found)];
  });
  const walk = walkOf(1, "axial", 1);
  const seen = walk.seen.map(({ index }) => {
    const found = seenOf(walk, index), bank = bankOf(walk, found);
    const [near, out, recent] = [bank.near, bank.out, bank.recent].map((some) => some.length);
    return { index, mask: Array.from(found.mask), near, out, recent };
  });
  const cuts = PLANES.map((plane) => {
    const { rows, columns, at } = cut(plane, 3);
    return [rows, columns, at(0, 0), at(rows - 1, 0)];
  });
  const there = PLANES.map((plane) => pointAt(plane, ...crossOf(plane, [5, 6, 7]), [5, 6, 7]));
  console.log(JSON.stringify({ votes, seen, cuts, there }));
});
"""


@pytest.fixture(scope="module")
def answered(a_lesson, embedded, tmp_path_factory):
    from playwright._impl._driver import compute_driver_executable

    node = compute_driver_executable()
    node = node[0] if isinstance(node, tuple) else Path(node).parent / "node"
    folder = tmp_path_factory.mktemp("script")
    points = np.argwhere(np.isfinite(a_lesson.runs[0].votes[PLANES[0]]))[::997].tolist() + [[0, 0, 0]]
    for name, value in {"words": read_words(), "lesson": embedded, "points": points}.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    parts = ["1_data.js", "2_draw.js", "3_slices.js", "5_votes.js"]
    texts = [STAND_IN, *((SCRIPT / part).read_text(encoding="utf-8") for part in parts), ASKED]
    (folder / "asked.js").write_text("\n".join(texts), encoding="utf-8")
    done = subprocess.run([node, folder / "asked.js", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return points, json.loads(done.stdout)


def test_votes_weights_and_their_mean_are_those_of_the_run(a_lesson, answered):
    points, run = answered[0], a_lesson.runs[0]
    assert len(points) > 100
    for point, (votes, mean) in zip(map(tuple, points), answered[1]["votes"], strict=True):
        for plane, (logit, weight) in zip(run.votes, votes, strict=True):
            assert weight == pytest.approx(float(run.weights[plane][point]), rel=1e-4)
            if weight:
                assert logit == pytest.approx(float(run.votes[plane][point]), abs=HALF_A_STEP)
        if any(weight for _, weight in votes):
            assert mean == pytest.approx(float(run.mean[point]), abs=HALF_A_STEP + 1e-4)


def test_masks_and_memory_banks_are_those_of_the_run(a_lesson, answered):
    walk = a_lesson.runs[1].walks[PLANES[0], 1]
    for seen, shown in zip(walk.seen.values(), answered[1]["seen"], strict=True):
        assert shown["index"] == seen.index
        assert np.array_equal(np.reshape(shown["mask"], seen.mask.shape), seen.mask)
        near = sum(looked.age == 0 for looked in seen.spatial)
        assert (shown["near"], shown["recent"]) == (near, len(seen.spatial) - near)
        assert shown["out"] == (0 if seen.confidence is None else len(walk.given) - near)


def test_pictures_are_cut_as_radiologists_see_them(a_lesson, answered):
    """As `PlaneView` does: anterior or superior is up, the patient's right, or anterior, is left."""
    volume, upright = a_lesson.request.volume, a_lesson.upright
    numbers = np.arange(np.prod(upright.shape)).reshape(upright.shape)
    inside = np.full(volume.voxels.shape, -1)
    box = upright.box
    views = [volume.view(plane) for plane in PLANES]
    back = numbers[tuple(slice(None, None, view.order.step) for view in views)]
    inside[box.slices] = back.transpose(np.argsort([view.axis for view in views]))
    for plane, (rows, columns, first, corner) in zip(PLANES, answered[1]["cuts"], strict=True):
        view = volume.view(plane)
        picture = view.slice(inside, upright.indices(plane)[3])
        top, bottom, left, right = view.bounds(box.lower, box.upper)
        part = picture[top:bottom, left:right]
        assert part.shape == (rows, columns) and (part[0, 0], part[-1, 0]) == (first, corner)
    assert answered[1]["there"] == [[5, 6, 7]] * 3
