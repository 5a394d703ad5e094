"""The choice of memory frames is a pure function: what a slice may look at, and under which temporal embedding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.policy import OLDEST, PROMPT, MemoryLimits, Place, SliceFacts, check_fits
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory, stock

UNKNOWN = SliceFacts()
TRACKED = dict.fromkeys(range(1, 20), UNKNOWN)


def spatial(policy, now=20, step=1, prompted=(0, 40, 80), tracked=TRACKED, count=100):
    return list(policy.choose(Place(now, step, prompted, tracked, count)).spatial)


def test_sps_keeps_prompts_within_a_share_of_the_stack():
    assert spatial(VolumeMemory(radius=0.3, recent=0)) == [(0, PROMPT), (40, PROMPT)]
    assert spatial(VolumeMemory(radius=0.6, recent=0)) == [(0, PROMPT), (40, PROMPT), (80, PROMPT)]
    assert spatial(VolumeMemory(radius=None, recent=0)) == [(0, PROMPT), (40, PROMPT), (80, PROMPT)]


def test_sps_includes_a_prompt_exactly_at_the_radius():
    assert spatial(VolumeMemory(radius=0.2, recent=0), now=20, prompted=(0, 41)) == [(0, PROMPT)]
    every = spatial(VolumeMemory(radius=0.7, recent=0), now=63, prompted=(0, 70), count=90)
    assert every == [(0, PROMPT), (70, PROMPT)], "0.7 * 90 is 62.999..., but slice 0 is at 0.7 of the stack"


def test_sps_keeps_the_nearest_prompt_when_none_is_in_reach():
    assert spatial(VolumeMemory(radius=0.1, recent=0), now=65, prompted=(0, 40, 80)) == [(80, PROMPT)]


@pytest.mark.parametrize(("step", "kept"), [(1, 40), (-1, 80)])
def test_of_two_prompts_out_of_reach_and_equally_far_the_passed_one_stays(step, kept):
    assert spatial(VolumeMemory(radius=0.1, recent=0), now=60, step=step, prompted=(40, 80)) == [(kept, PROMPT)]


def test_is_gives_the_two_most_recent_slices_the_first_and_the_last_embedding():
    assert spatial(VolumeMemory(radius=0.01), prompted=(0,))[1:] == [(18, OLDEST), (19, 1)]


def test_is_going_backward_looks_at_the_slices_above():
    tracked = dict.fromkeys(range(21, 40), UNKNOWN)
    assert spatial(VolumeMemory(), step=-1, prompted=(40,), tracked=tracked)[1:] == [(22, OLDEST), (21, 1)]


@pytest.mark.parametrize("capacity", range(7))
def test_capacity_keeps_the_embeddings_of_sam2(capacity):
    policy = VolumeMemory(None, capacity, "sam2")
    assert spatial(policy, prompted=(0,))[1:] == [(20 - age, age) for age in range(capacity, 0, -1)]


def test_a_slot_stays_empty_when_its_slice_was_not_tracked():
    assert spatial(VolumeMemory(), now=2, prompted=(0,), tracked={1: UNKNOWN})[1:] == [(1, 1)]


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(2, [10, 12, 14, 16, 18, 20]), (4, [4, 8, 12, 16, 20])],
)
def test_stride_counts_from_a_fixed_grid(stride, expected):
    tracked = dict.fromkeys(range(1, 21), UNKNOWN)
    chosen = spatial(VolumeMemory(None, 6, "sam2", stride), now=21, prompted=(0,), tracked=tracked)[1:]
    assert [position for position, _ in chosen] == expected


def test_gate_keeps_the_most_confident_of_all_tracked_slices():
    confidence = {1: 0.9, 2: 0.2, 3: 0.8, 4: 0.1, 5: 0.95}
    tracked = {position: SliceFacts(confidence=value) for position, value in confidence.items()}
    chosen = spatial(VolumeMemory(None, 6, "sam2", gate=3), now=6, prompted=(0,), tracked=tracked)[1:]
    assert chosen == [(1, 3), (3, 2), (5, 1)]


def test_pointers_come_from_passed_prompts_in_reach_and_up_to_15_slices():
    pointers = STOCK.choose(Place(20, 1, (0, 40), TRACKED, 100)).pointers
    assert pointers[0] == (0, 20)
    assert pointers[1:] == tuple((20 - ago, ago) for ago in range(1, 16))
    assert VolumeMemory(0.1).choose(Place(20, 1, (0, 21), TRACKED, 100)).pointers[0] == (19, 1)


@given(
    st.integers(2, 60),
    st.sets(st.integers(0, 59), min_size=1, max_size=5),
    st.sampled_from([0.1, 0.3, 1.0, None]),
    st.sampled_from([1, -1]),
    st.integers(0, PROMPT),
    st.sampled_from([1, 2, 4]),
)
def test_only_slices_with_a_memory_are_chosen_and_never_the_slice_itself(count, prompted, radius, step, recent, stride):
    prompted = {position for position in prompted if position < count} or {0}
    outermost = min(prompted) if step > 0 else max(prompted)
    ahead = range(outermost, count) if step > 0 else range(outermost, -1, -1)
    tracked = {}
    for now in ahead:
        if now in prompted:
            continue
        chosen = VolumeMemory(radius, recent, "sam2", stride).choose(Place(now, step, prompted, tracked, count))
        positions = [position for position, _ in chosen.spatial]
        assert set(positions) <= prompted | set(tracked)
        assert len(positions) == len(set(positions)) and now not in positions
        assert any(age == PROMPT for _, age in chosen.spatial)
        assert all(ago >= 0 for _, ago in chosen.pointers)
        tracked[now] = UNKNOWN


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"radius": 0}, "radius"),
        ({"radius": 1.5}, "radius"),
        ({"recent": -1}, "recent"),
        ({"recent": 1.5}, "recent"),
        ({"gate": -1}, "gate"),
        ({"stride": 3}, "stride"),
        ({"embeddings": "both"}, "embeddings"),
        ({"recent": 6}, "IS"),
        ({"gate": 3}, "IS"),
    ],
)
def test_a_choice_out_of_range_is_refused_by_name(values, named):
    with pytest.raises(InputError, match=named):
        VolumeMemory(**values)


@pytest.mark.parametrize("policy", [VolumeMemory(None, 4, "sam2"), VolumeMemory(None, 6, "sam2", gate=4)], ids=str)
def test_a_memory_that_the_network_was_not_trained_for_is_refused_in_one_sentence(policy):
    """Not after minutes, in the middle of a run, with an index that is out of range."""
    check_fits(policy, MemoryLimits(ages=4, pointers=16), "mine")
    with pytest.raises(InputError) as caught:
        check_fits(policy, MemoryLimits(ages=3, pointers=16), "mine")
    assert str(caught.value) == (
        "The memory asks for 4 recent slices, but the model 'mine' was trained with 3: keep at most 3, or choose "
        "another model."
    )


def test_a_network_with_a_shorter_memory_gets_fewer_pointers_and_slices():
    limits = MemoryLimits(ages=3, pointers=4)
    chosen = stock(limits).choose(Place(20, 1, (0,), TRACKED, 100, limits))
    assert chosen.spatial == ((0, PROMPT), (17, 3), (18, 2), (19, 1))
    assert chosen.pointers == ((0, 20), (19, 1), (18, 2), (17, 3))
    assert stock(limits).reach(limits) == 4
