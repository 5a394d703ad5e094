"""The choice of memory frames is a pure function: what a slice may look at, and under which temporal embedding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.policy import STOCK, MemoryPolicy

TRACKED = dict.fromkeys(range(1, 20), 0.5)


def spatial(policy, now=20, step=1, prompted=(0, 40, 80), tracked=TRACKED, count=100):
    return list(policy.choose(now, step, prompted, tracked, count).spatial)


def test_sps_keeps_prompts_within_a_share_of_the_stack():
    assert spatial(MemoryPolicy(radius=0.3, recent=0)) == [(0, 6), (40, 6)]
    assert spatial(MemoryPolicy(radius=0.6, recent=0)) == [(0, 6), (40, 6), (80, 6)]
    assert spatial(MemoryPolicy(radius=None, recent=0)) == [(0, 6), (40, 6), (80, 6)]


def test_sps_includes_a_prompt_exactly_at_the_radius():
    assert spatial(MemoryPolicy(radius=0.2, recent=0), now=20, prompted=(0, 41)) == [(0, 6)]
    every = spatial(MemoryPolicy(radius=0.7, recent=0), now=63, prompted=(0, 70), count=90)
    assert every == [(0, 6), (70, 6)], "0.7 * 90 is 62.999..., but slice 0 is at 0.7 of the stack"


def test_sps_keeps_the_nearest_prompt_when_none_is_in_reach():
    assert spatial(MemoryPolicy(radius=0.1, recent=0), now=65, prompted=(0, 40, 80)) == [(80, 6)]


@pytest.mark.parametrize(("step", "kept"), [(1, 40), (-1, 80)])
def test_of_two_prompts_out_of_reach_and_equally_far_the_passed_one_stays(step, kept):
    assert spatial(MemoryPolicy(radius=0.1, recent=0), now=60, step=step, prompted=(40, 80)) == [(kept, 6)]


def test_is_gives_the_two_most_recent_slices_the_first_and_the_last_embedding():
    assert spatial(MemoryPolicy(radius=0.01), prompted=(0,))[1:] == [(18, 5), (19, 0)]


def test_is_going_backward_looks_at_the_slices_above():
    tracked = dict.fromkeys(range(21, 40), 0.5)
    assert spatial(MemoryPolicy(), step=-1, prompted=(40,), tracked=tracked)[1:] == [(22, 5), (21, 0)]


@pytest.mark.parametrize("capacity", range(7))
def test_capacity_keeps_the_embeddings_of_sam2(capacity):
    policy = MemoryPolicy(None, capacity, "sam2")
    assert spatial(policy, prompted=(0,))[1:] == [(20 - age, age - 1) for age in range(capacity, 0, -1)]


def test_a_slot_stays_empty_when_its_slice_was_not_tracked():
    assert spatial(MemoryPolicy(), now=2, prompted=(0,), tracked={1: 0.5})[1:] == [(1, 0)]


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(2, [10, 12, 14, 16, 18, 20]), (4, [4, 8, 12, 16, 20])],
)
def test_stride_counts_from_a_fixed_grid(stride, expected):
    tracked = dict.fromkeys(range(1, 21), 0.5)
    chosen = spatial(MemoryPolicy(None, 6, "sam2", stride), now=21, prompted=(0,), tracked=tracked)[1:]
    assert [time for time, _ in chosen] == expected


def test_gate_keeps_the_most_confident_of_all_tracked_slices():
    tracked = {1: 0.9, 2: 0.2, 3: 0.8, 4: 0.1, 5: 0.95}
    chosen = spatial(MemoryPolicy(None, 6, "sam2", gate=3), now=6, prompted=(0,), tracked=tracked)[1:]
    assert chosen == [(1, 2), (3, 1), (5, 0)]


def test_pointers_come_from_passed_prompts_in_reach_and_up_to_15_slices():
    pointers = STOCK.choose(20, 1, (0, 40), TRACKED, 100).pointers
    assert pointers[0] == (0, 20)
    assert pointers[1:] == tuple((20 - ago, ago) for ago in range(1, 16))
    assert MemoryPolicy(0.1).choose(20, 1, (0, 21), TRACKED, 100).pointers[0] == (19, 1)


@given(
    st.integers(2, 60),
    st.sets(st.integers(0, 59), min_size=1, max_size=5),
    st.sampled_from([0.1, 0.3, 1.0, None]),
    st.sampled_from([1, -1]),
    st.integers(0, 6),
    st.sampled_from([1, 2, 4]),
)
def test_only_slices_with_a_memory_are_chosen_and_never_the_slice_itself(count, prompted, radius, step, recent, stride):
    prompted = {time for time in prompted if time < count} or {0}
    outermost = min(prompted) if step > 0 else max(prompted)
    ahead = range(outermost, count) if step > 0 else range(outermost, -1, -1)
    tracked = {}
    for now in ahead:
        if now in prompted:
            continue
        chosen = MemoryPolicy(radius, recent, "sam2", stride).choose(now, step, prompted, tracked, count)
        times = [time for time, _ in chosen.spatial]
        assert set(times) <= prompted | set(tracked)
        assert len(times) == len(set(times)) and now not in times
        assert any(row == 6 for _, row in chosen.spatial)
        assert all(ago >= 0 for _, ago in chosen.pointers)
        tracked[now] = 0.5


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"radius": 0}, "radius"),
        ({"radius": 1.5}, "radius"),
        ({"recent": 7, "embeddings": "sam2"}, "recent"),
        ({"gate": 9}, "gate"),
        ({"stride": 3}, "stride"),
        ({"embeddings": "both"}, "embeddings"),
        ({"recent": 6}, "IS"),
        ({"gate": 3}, "IS"),
    ],
)
def test_a_choice_out_of_range_is_refused_by_name(values, named):
    with pytest.raises(InputError, match=named):
        MemoryPolicy(**values)
