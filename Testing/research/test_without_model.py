"""Methods without a model: a lead over weak ones, or over ones that were given less, would be no lead."""

import sys

import numpy as np
import pytest

from SAM2VolumeSegLib import scene
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.measures.markers import INSIDE, OUTSIDE, REACH_MM, UNKNOWN, markers_of
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.research.measures.without_model import WITHOUT_MODEL
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, painted_box, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

LABELS = {"L2": 21, "L3": 22, "L4": 23}
PAINTED = {"inside": ("quarters", tuple(Plane)), "middles": ("middle", tuple(Plane))}


@pytest.fixture(scope="module")
def references(a_ct_labels):
    return {name: a_ct_labels == value for name, value in LABELS.items()}


def seeds_of(references, volume, painted):
    return {name: simulate_seeds(mask, volume, *PAINTED[painted]) for name, mask in references.items()}


@pytest.mark.parametrize(
    ("method", "painted", "least"),
    [
        ("marker watershed", "inside", 0.91),  # measured: 0.93
        ("marker watershed", "middles", 0.87),  # 0.90
        ("grow from seeds", "inside", 0.88),  # 0.905
        ("grow from seeds", "middles", 0.77),  # 0.80
        ("fill between slices", "inside", 0.70),  # 0.725
    ],
)
def test_real_vertebrae(a_ct, references, method, painted, least):
    """An opponent whose seeds get lost, or whose spacing is turned round, falls below what it can."""
    masks = WITHOUT_MODEL[method](seeds_of(references, a_ct, painted), a_ct)
    assert np.mean([dice(masks[name], reference) for name, reference in references.items()]) > least


@pytest.mark.parametrize("method", WITHOUT_MODEL)
def test_the_result_does_not_depend_on_the_storage_order(method, a_ct, references):
    """The same CT stored the other way round must give nearly the same: of equal neighbours the first one wins."""
    flipped = Volume(np.ascontiguousarray(a_ct.voxels[::-1]), a_ct.ijk_to_ras @ _turned_round(a_ct.voxels.shape[0]))
    here = WITHOUT_MODEL[method](seeds_of(references, a_ct, "inside"), a_ct)
    there = WITHOUT_MODEL[method](
        {
            name: [_on(flipped, a_ct, seed) for seed in own]
            for name, own in seeds_of(references, a_ct, "inside").items()
        },
        flipped,
    )
    for name in references:
        assert dice(here[name], there[name][::-1]) > 0.97


def _turned_round(count):
    matrix = np.diag([1.0, 1.0, -1.0, 1.0])
    matrix[2, 3] = count - 1
    return matrix


def _on(flipped, volume, seed):
    """The seed on the same place of the flipped volume."""
    mask = paint_seeds([seed], volume)[::-1]
    view, axis = flipped.view(seed.plane), volume.view(seed.plane).axis
    index = volume.voxels.shape[0] - 1 - seed.index if axis == 0 else seed.index
    return SeedSlice(seed.plane, index, view.slice(mask, index).copy())


@pytest.mark.parametrize("method", ["marker watershed", "grow from seeds"])
def test_painted_slices_keep_what_the_user_painted(method, a_ct, references):
    seeds = seeds_of(references, a_ct, "middles")
    for name, mask in WITHOUT_MODEL[method](seeds, a_ct).items():
        for seed in seeds[name]:
            assert (a_ct.view(seed.plane).slice(mask, seed.index) == seed.mask).all()


def test_markers_say_what_the_user_said_and_no_more(a_ct, references):
    """A painted slice says where its own segment is not; of the neighbours it says nothing but their paint."""
    seeds = seeds_of(references, a_ct, "middles")
    for name, found in markers_of(seeds, a_ct).items():
        painted = {one: paint_seeds(own, a_ct)[found.box.slices] for one, own in seeds.items()}
        assert (found.labels[painted[name]] == INSIDE).all()
        for other in references.keys() - {name}:
            assert (found.labels[painted[other] & ~painted[name]] == OUTSIDE).all()
        reach = np.zeros(a_ct.voxels.shape, bool)
        reach[painted_box(seeds[name], a_ct).grown(REACH_MM, a_ct).slices] = True
        own = np.zeros(a_ct.voxels.shape, bool)
        for seed in seeds[name]:
            a_ct.view(seed.plane).slice(own, seed.index)[...] = True
        said = own[found.box.slices] | ~reach[found.box.slices] | np.any(list(painted.values()), axis=0)
        assert ((found.labels == UNKNOWN) == ~said).all()


def test_without_slicers_filters_it_is_said_what_to_install(a_ct, references, monkeypatch):
    monkeypatch.delattr(scene, "slicer_filters", raising=False)
    monkeypatch.setitem(sys.modules, "SAM2VolumeSegLib.scene.slicer_filters", None)
    with pytest.raises(InputError, match="pip install slicer-core vtk"):
        WITHOUT_MODEL["grow from seeds"](seeds_of(references, a_ct, "middles"), a_ct)
