"""The phantom: what a classroom without internet follows the tutorial with."""

import numpy as np
import pytest
from scipy import ndimage

from SAM2VolumeSegLib.phantom import load_phantom_into_scene, make_phantom
from SAM2VolumeSegLib.scene import SceneRun, mask_from_segment, provenance_of, seeds_from_segmentation, volume_from_node
from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.segment import Segmenter, Settings
from SAM2VolumeSegLib.study.metrics import dice
from SAM2VolumeSegLib.volume import Plane

ENOUGH = 0.5
"""Dice of each bone; the seeds alone have 0.25."""


@pytest.fixture(scope="module")
def phantom():
    return make_phantom()


def test_it_is_the_same_on_every_machine(phantom):
    volume, labels, names, _ = phantom
    again, labels_again, names_again, _ = make_phantom()
    assert again.fingerprint() == volume.fingerprint()
    assert names_again == names
    np.testing.assert_array_equal(labels_again, labels)


def test_its_bones_are_whole_and_touch(phantom):
    """Touching bones are the point: a threshold would join them, the seeds keep them apart."""
    _, labels, names, _ = phantom
    assert len(names) >= 2
    for label in names:
        bone = labels == label
        assert np.count_nonzero(bone) > 1000
        assert not any(bone.take((0, -1), axis=axis).any() for axis in range(3))
    assert (ndimage.binary_dilation(labels == 1) & (labels == 2)).any()


def test_it_lies_as_a_patient_does(phantom):
    """Upper bone first; bodies in front, processes behind: views labelled A and P must not look wrong."""
    volume, labels, names, _ = phantom
    centres = [(volume.ijk_to_ras @ [*np.argwhere(labels == label).mean(axis=0)[::-1], 1])[:3] for label in names]
    assert centres[0][2] > centres[1][2]
    depth = ndimage.distance_transform_edt(labels == 1)
    body = (volume.ijk_to_ras @ [*np.array(ndimage.center_of_mass(depth**3))[::-1], 1])[:3]
    assert body[1] > centres[0][1] + 2


def test_in_the_scene_its_seeds_are_found_as_they_were_made(nodes, phantom):
    volume, labels, names, seeds = phantom
    volume_node, seeds_node, reference_node = load_phantom_into_scene()
    loaded = volume_from_node(volume_node)
    np.testing.assert_array_equal(loaded.voxels, volume.voxels)
    np.testing.assert_allclose(loaded.ijk_to_ras, volume.ijk_to_ras)
    found = seeds_from_segmentation(seeds_node, volume_node)
    assert [len(own) for own in found.values()] == [9] * len(names)
    for label, own in zip(names, found.values(), strict=True):
        assert {(seed.plane, seed.index) for seed in own} == {(seed.plane, seed.index) for seed in seeds[label]}
        np.testing.assert_array_equal(mask_from_segment(reference_node, f"bone_{label}", volume_node), labels == label)
    assert seeds_node.GetDisplayVisibility()
    assert not reference_node.GetDisplayVisibility()


def test_from_the_phantom_to_a_segmentation_node_with_the_demo_model(nodes, phantom):
    """The tutorial, end to end, as the module runs it: the result must be the bone and not just its seeds."""
    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    volume, labels, names, seeds = phantom
    volume_node, seeds_node, reference_node = load_phantom_into_scene()
    segmenter = Segmenter(SliceTracker.load(checkpoints.find("demo"), "cpu"))
    with SceneRun(segmenter, seeds_node, volume_node, Settings()) as run:
        progress = []
        while (step := run.step()) is not None:
            progress.append(step)
        node = run.finish()
    assert {step.segment for step in progress} == {"Bone 1", "Bone 2"}
    assert {step.plane for step in progress} == set(Plane)
    assert provenance_of(node)["segment_ids"] == {"bone_1": "Bone 1", "bone_2": "Bone 2"}
    for label in names:
        reference = mask_from_segment(reference_node, f"bone_{label}", volume_node)
        ours = dice(nodes.mask(node, f"bone_{label}", volume_node), reference)
        painted = dice(paint_seeds(seeds[label], volume), reference)
        assert painted < 0.3  # or there would be nothing to show
        assert ours > ENOUGH
