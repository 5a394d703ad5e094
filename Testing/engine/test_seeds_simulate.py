"""The paper's simulated prompts: the right slices, in the right order, from any storage order."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds import simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume


def a_volume(size=40, sign=1):
    return Volume(np.zeros((size, 12, 12), dtype=np.int16), np.diag([1.0, 1.0, 2.0 * sign, 1.0]))


def a_rod(first, last, size=40):
    mask = np.zeros((size, 12, 12), dtype=bool)
    mask[first : last + 1, 4:8, 3:9] = True
    return mask


@pytest.mark.parametrize(
    ("strategy", "slices"),
    [
        ("middle", [15]),
        ("first-last", [5, 25]),
        ("first-middle-last", [5, 15, 25]),
        ("uniform-5", [5, 10, 15, 20, 25]),
        ("uniform-7", [5, 8, 12, 15, 18, 22, 25]),
        ("uniform-9", [5, 8, 10, 13, 15, 18, 20, 23, 25]),
        ("uniform-3", [5, 15, 25]),
        ("quarters", [10, 15, 20]),
    ],
)
def test_the_slices_of_a_strategy(strategy, slices):
    """Other slices than the paper's would make our tables incomparable with its tables."""
    seeds = simulate_seeds(a_rod(5, 25), a_volume(), strategy)
    assert [seed.index for seed in seeds] == slices
    assert all(seed.mask.sum() == 24 and seed.plane is Plane.AXIAL for seed in seeds)


def test_a_volume_stored_upside_down_gives_the_same_slices():
    """The result of a study must not depend on how a scanner stores its slices, not even by a rounding."""
    for strategy in ("uniform-5", "quarters"):
        upright = simulate_seeds(a_rod(5, 26), a_volume(), strategy)
        flipped = simulate_seeds(a_rod(5, 26)[::-1], a_volume(sign=-1), strategy)
        assert [seed.index for seed in flipped] == [39 - seed.index for seed in upright]


def test_three_planes_get_the_same_number_each(a_ct, a_ct_labels):
    """n per axis on three axes is how the paper spends nine prompts."""
    seeds = simulate_seeds(a_ct_labels == 22, a_ct, "first-middle-last", tuple(Plane))
    assert [seed.plane for seed in seeds] == [plane for plane in Plane for _ in range(3)]
    assert not any(seed.absent for seed in seeds[0::3] + seeds[2::3])


def test_a_structure_of_few_slices_gives_each_once():
    """A repeated slice would be prompted twice and weigh twice."""
    assert [seed.index for seed in simulate_seeds(a_rod(7, 10), a_volume(), "uniform-9")] == [7, 8, 9, 10]
    assert [seed.index for seed in simulate_seeds(a_rod(7, 7), a_volume(), "first-last")] == [7]
    assert [seed.index for seed in simulate_seeds(a_rod(7, 7), a_volume(), "quarters")] == [7]
    assert [seed.index for seed in simulate_seeds(a_rod(7, 13), a_volume(), "quarters")] == [9, 10, 12]


def test_a_gap_in_the_middle_is_given_as_absent():
    """Two pieces: a user who looks at the middle slice sees nothing there, and says so."""
    pieces = a_rod(5, 8) | a_rod(20, 25)
    assert [(s.index, s.absent) for s in simulate_seeds(pieces, a_volume(), "first-middle-last")] == [
        (5, False),
        (15, True),
        (25, False),
    ]


def test_a_lone_middle_slice_is_never_empty():
    """One empty prompt would say that there is nothing to segment at all."""
    (seed,) = simulate_seeds(a_rod(5, 8) | a_rod(20, 25), a_volume(), "middle")
    assert (seed.index, seed.absent) == (20, False)


@pytest.mark.parametrize("strategy", ["uniform-1", "uniform-0", "uniform", "centre", ""])
def test_an_unknown_strategy_lists_the_known(strategy):
    """A mistyped strategy must not quietly run another one."""
    with pytest.raises(InputError, match="first-middle-last"):
        simulate_seeds(a_rod(5, 25), a_volume(), strategy)


def test_an_empty_reference_is_refused():
    """A structure that is not in this CT has no first slice."""
    with pytest.raises(InputError, match="empty"):
        simulate_seeds(np.zeros((40, 12, 12), dtype=bool), a_volume(), "middle")


def test_a_reference_on_another_grid_is_refused():
    """Seeds from another grid would lie beside the structure."""
    with pytest.raises(InputError, match="not on the grid"):
        simulate_seeds(np.ones((4, 4, 4), dtype=bool), a_volume(), "middle")
