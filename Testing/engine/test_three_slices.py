"""The least painting that the advice asks for, on a real CT: one slice on each axis of each vertebra."""

from dataclasses import replace

from propagation_runs import PLANES, result_of

from SAM2VolumeSegLib.propagation import RECOMMENDED
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.seeds import simulate_seeds


def test_three_slices_give_a_vertebra_and_its_neighbours_cost_nothing(a_tracker, a_ct, a_ct_labels):
    """Vertebrae that were painted with their neighbours were once worse than alone: they took each other's voxels."""
    references = {name: a_ct_labels == label for name, label in (("L2", 21), ("L3", 22), ("L4", 23))}
    seeds = {name: simulate_seeds(reference, a_ct, "middle", PLANES) for name, reference in references.items()}
    chosen = replace(RECOMMENDED, crop="each")  # what is compared is the contest, and not the sharpness of pictures
    together = result_of(a_tracker, a_ct, seeds, chosen).segments
    reached = {name: dice(together[name].mask, reference) for name, reference in references.items()}
    alone = {
        name: dice(result_of(a_tracker, a_ct, {name: own}, chosen).segments[name].mask, references[name])
        for name, own in seeds.items()
    }
    assert reached["L3"] >= 0.88
    for name in references:
        assert reached[name] >= alone[name] - 0.02, (name, reached, alone)
