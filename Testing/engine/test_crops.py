"""Which segments share a crop, and what is said where a result reaches the edge of what was looked at."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from propagation_runs import result_of

from SAM2VolumeSegLib.propagation import RECOMMENDED, Settings, Sight
from SAM2VolumeSegLib.propagation.cut_off import SIDES, cut_off, cut_off_sentences
from SAM2VolumeSegLib.propagation.sight import COARSER
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, SquareWindow, Volume

FAR = Volume(np.zeros((150, 60, 60), dtype=np.int16), np.diag([2.0, 2.0, 2.0, 1.0]), "CT")  # 30 cm of a spine


def a_box(volume, lower, upper):
    """A mask that is True from `lower` to `upper` (exclusive) [k, j, i]."""
    mask = np.zeros(volume.voxels.shape, dtype=bool)
    mask[Box(lower, upper).slices] = True
    return mask


def painted(volume, masks, planes=tuple(Plane)):
    return {name: simulate_seeds(mask, volume, "first-middle-last", planes) for name, mask in masks.items()}


def groups(masks, **chosen):
    return Sight(FAR, painted(FAR, masks), Settings(**chosen), 64).groups


# ------------------------------------------------------------------------------------------------- which crops are used


def vertebrae(*numbers):
    """Bones of 8 cm width and 3 cm height, one above the other, by name."""
    return {f"L{n}": a_box(FAR, (15 * n, 10, 10), (15 * n + 14, 50, 50)) for n in numbers}


def test_neighbours_share_a_crop_and_those_far_apart_do_not():
    """Of a spine in one crop, a vertebra would be a few pixels."""
    assert groups(vertebrae(1, 2)) == (("L1", "L2"),)
    assert groups(vertebrae(1, 7)) == (("L1",), ("L7",))
    assert groups(vertebrae(1, 2, 7, 8)) == (("L1", "L2"), ("L7", "L8"))


def test_a_small_bone_inside_of_a_large_ones_crop_gets_its_own():
    large, small = a_box(FAR, (40, 5, 5), (90, 55, 55)), a_box(FAR, (60, 0, 0), (64, 4, 4))
    assert groups({"large": large, "small": small}) == (("large",), ("small",))


def test_a_choice_or_a_region_of_interest_goes_before():
    masks = vertebrae(1, 2, 7)
    assert groups(masks, crop="shared") == (("L1", "L2", "L7"),)
    assert groups(masks, crop="each") == (("L1",), ("L2",), ("L7",))
    roi = Box((0, 0, 0), (20, 20, 20))
    sight = Sight(FAR, painted(FAR, masks), Settings(roi=roi), 64)
    assert sight.groups == (("L1", "L2", "L7"),) and {sight.crop(name) for name in masks} == {roi}


@st.composite
def many_painted(draw):
    """Boxes in a volume that is stored in any way, and the planes on which they are painted."""
    shape = tuple(draw(st.integers(20, 60)) for _ in range(3))
    matrix = np.eye(4)
    for row, column in enumerate(draw(st.permutations(range(3)))):
        matrix[row, row], matrix[row, column] = 0, draw(st.sampled_from([-1, 1])) * draw(st.sampled_from([1.0, 2.0, 5]))
    volume = Volume(np.zeros(shape, dtype=np.int16), matrix, "CT")
    masks = {}
    for name in draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)):
        sides = [sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
        masks[name] = a_box(volume, *zip(*sides, strict=True))
    return volume, painted(volume, masks, draw(st.lists(st.sampled_from(list(Plane)), min_size=1, unique=True)))


@given(many_painted(), st.data())
def test_nobody_is_seen_much_coarser_than_alone_in_whatever_order_segments_come(case, data):
    volume, seeds = case
    sight, each = (Sight(volume, seeds, Settings(crop=crop), 64) for crop in ("auto", "each"))
    assert [name for group in sight.groups for name in group if name not in seeds] == []
    assert sorted(name for group in sight.groups for name in group) == sorted(seeds)
    for name in seeds:
        for plane in sight.planes_of(name):
            view = volume.view(plane)
            shared, own = (SquareWindow.of(view, one.crop(name), 64).mm_per_px for one in (sight, each))
            assert own * (1 - 1e-9) <= shared <= COARSER * own * (1 + 1e-9)
    shuffled = {name: seeds[name] for name in data.draw(st.permutations(list(seeds)))}
    other = Sight(volume, shuffled, Settings(), 64)
    assert {frozenset(group) for group in other.groups} == {frozenset(group) for group in sight.groups}


@pytest.mark.parametrize(("numbers", "same"), [((1, 2), "shared"), ((1, 7), "each")])
def test_masks_are_those_of_the_crops_that_were_taken(a_fast_tracker, numbers, same):
    """And the result says which these were."""
    masks = vertebrae(*numbers)
    bones = np.any(list(masks.values()), axis=0)
    volume = Volume(np.where(bones, 600, 0).astype(np.int16), FAR.ijk_to_ras, "CT")
    seeds = painted(volume, masks, (Plane.CORONAL,))
    chosen = replace(RECOMMENDED, edges=False, pace_mm=10.0)
    auto, other = (result_of(a_fast_tracker, volume, seeds, replace(chosen, crop=crop)) for crop in ("auto", same))
    for name, found in auto.segments.items():
        np.testing.assert_array_equal(found.mask, other.segments[name].mask)
    assert auto.provenance["crops"] == other.provenance["crops"]
    assert [one["segments"] for one in auto.provenance["crops"]] == (
        [list(masks)] if same == "shared" else [[name] for name in masks]
    )


# -------------------------------------------------------------------------------------------- where a result is cut off


@given(many_painted(), st.sampled_from([0.0, 5.0, 15.0]), st.data())
def test_a_perfect_model_is_told_cut_off_where_the_structure_goes_on(case, margin_mm, data):
    """On that side and no other; and a larger margin helps where it is said to."""
    volume, seeds = case
    name = next(iter(seeds))
    sides = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in
             volume.voxels.shape]  # fmt: skip
    sight = Sight(volume, seeds, Settings(margin_mm=margin_mm), 64)
    reach, structure = sight.reach(name), Box(*zip(*sides, strict=True))
    seen = structure.meet(reach)
    mask = BoxMask(volume.voxels.shape, seen, np.ones(seen.shape, dtype=bool))
    told = {one.side: one for one in cut_off(mask, sight, name)}
    wider = Sight(volume, seeds, Settings(margin_mm=1000.0), 64)
    for plane, names in SIDES.items():
        view = volume.view(plane)
        ends = [
            (structure.lower, reach.lower, 0, -1),
            (structure.upper, reach.upper, volume.voxels.shape[view.axis], 1),
        ]
        for side, (end, limit, ct, step) in zip(names, ends[:: view.order.step], strict=True):
            goes_on = step * (end[view.axis] - limit[view.axis])
            if seen.is_empty or goes_on < 0 or limit[view.axis] == ct:
                assert side not in told
            else:
                assert side in told  # also where it ends just there: nobody knows
        for side in set(names) & set(told):
            if told[side].in_crop:
                grown = wider.reach(name)
                assert (grown.lower[view.axis], grown.upper[view.axis]) == (0, volume.voxels.shape[view.axis])


def test_where_the_user_said_that_it_ends_nothing_is_told():
    bone = a_box(FAR, (40, 20, 20), (110, 40, 40))
    middle = bone & a_box(FAR, (60, 0, 0), (80, 60, 60))
    found = BoxMask.of(bone)

    def sides(seeds, **chosen):
        sight = Sight(FAR, {"bone": seeds}, Settings(**chosen), 64)
        seen = found.box.meet(sight.reach("bone"))
        return [one.side for one in cut_off(BoxMask(bone.shape, seen, np.ones(seen.shape, bool)), sight, "bone")]

    seeds = simulate_seeds(middle, FAR, "first-middle-last", (Plane.AXIAL,))
    assert sides(seeds) == ["inferior", "superior"]
    assert sides(seeds, extend=False) == []
    assert sides(seeds, roi=Box((55, 0, 0), (85, 60, 60))) == []


def a_shaft(first, last):
    """A CT with a round bone from slice to slice, and the bone."""
    k, j, i = np.indices((60, 28, 28))
    bone = ((j - 14) ** 2 + (i - 14) ** 2 <= 5**2) & (first <= k) & (k <= last)
    return Volume(np.where(bone, 700, 0).astype(np.int16), np.diag([2.0, 2.0, 2.0, 1.0]), "CT"), bone


@pytest.mark.parametrize(
    ("bone_from_to", "painted_from_to", "sides"),
    [
        ((5, 54), (24, 34), ["inferior", "superior"]),
        ((26, 54), (26, 34), ["superior"]),
        ((22, 36), (24, 34), []),
        ((0, 59), (4, 55), []),
    ],
    ids=["goes on both ways", "goes on upwards", "inside", "cut by the CT"],
)
def test_a_bone_that_goes_on_is_told_after_a_run(a_tracker, bone_from_to, painted_from_to, sides):
    volume, bone = a_shaft(*bone_from_to)
    part = bone.copy()
    part[: painted_from_to[0]] = part[painted_from_to[1] + 1 :] = False
    seeds = {"femur": simulate_seeds(part, volume, "first-middle-last", (Plane.AXIAL,))}
    result = result_of(a_tracker, volume, seeds)
    assert [one.side for one in result.segments["femur"].cut_off] == sides
    assert result.provenance["segments"]["femur"]["cut_off"] == sides
    assert len(result.warnings) == bool(sides)
    assert all("paint a slice where it goes on" in text and ", ".join(sides) in text for text in result.warnings)


def test_what_to_do_is_said_for_each_reason():
    """A larger margin where it helps, and only there."""
    bar = np.zeros(FAR.voxels.shape, dtype=bool)
    for k in range(20, 60):
        bar[k, 20:30, k - 15 : k] = True  # it leans to one side
    low = bar.copy()
    low[:30] = low[36:] = False
    sight = Sight(
        FAR, {"rib": simulate_seeds(low, FAR, "first-middle-last", (Plane.AXIAL,))}, Settings(margin_mm=6), 64
    )
    reach = sight.reach("rib")
    inside = np.zeros_like(bar)
    inside[reach.slices] = bar[reach.slices]
    first, second = cut_off_sentences("rib", cut_off(BoxMask.of(inside), sight, "rib"))
    assert first.startswith('"rib" reaches the edge of what the model saw (left, right)')
    assert first.endswith("or enlarge the margin.")
    assert "(inferior, superior)" in second and "paint a slice" in second and "margin" not in second
