"""What a run is for, resolved once: marks, wanted segments, names."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Request, Settings
from SAM2VolumeSegLib.seeds import Marks, SeedSlice
from SAM2VolumeSegLib.volume import Plane, Volume

VOLUME = Volume(np.zeros((10, 12, 14), dtype=np.int16), np.eye(4), "CT")
AXIAL_4, AXIAL_8 = (Plane.AXIAL, 4), (Plane.AXIAL, 8)


def painted(*indices):
    mask = np.zeros((12, 14), dtype=bool)
    mask[3:9, 5:10] = True
    return [SeedSlice(Plane.AXIAL, index, mask) for index in indices]


def places(request, key):
    return [(seed.plane, seed.index) for seed in request.seeds[key]]


def test_marks_and_wanted_segments_are_resolved_in_the_request():
    """Panel, effect, script and command line hand over what was found, and the run gets what the user meant."""
    found = {"a": painted(2, 4), "b": painted(4), "c": painted(6)}
    marks = Marks(absent={"a": [AXIAL_8]}, skipped={"a": [AXIAL_4], "b": [AXIAL_4]})
    request = Request.of(VOLUME, found, marks=marks)
    assert list(request.seeds) == ["a", "c"]  # every slice of b is skipped: nobody wants it
    assert places(request, "a") == [(Plane.AXIAL, 2), AXIAL_8] and request.seeds["a"][1].absent
    assert list(Request.of(VOLUME, found, wanted=["c", "a"]).seeds) == ["a", "c"]  # in the order of the segmentation
    with pytest.raises(InputError, match='Every painted slice of "bone" is switched off'):
        Request.of(VOLUME, found, marks=marks, wanted=["b"], names={"b": "bone"})
    with pytest.raises(InputError, match="Every painted slice is switched off"):
        Request.of(VOLUME, {"b": found["b"]}, marks=marks)
    with pytest.raises(InputError, match='"rib" is not painted'):
        Request.of(VOLUME, found, wanted=["a", "d"], names={"d": "rib"})


def test_equal_names_are_numbered():
    """Slicer lets two segments have one name; in a result one would replace the other."""
    names = {"1": "bone", "2": "bone", "3": "bone (2)", "4": "rib"}
    request = Request.of(VOLUME, {key: painted(4) for key in names}, names=names)
    assert request.names == {"1": "bone", "2": "bone (3)", "3": "bone (2)", "4": "rib"}
    assert list(request.named_seeds) == list(request.names.values())
    assert Request.of(VOLUME, {"L3": painted(4)}).names == {"L3": "L3"}


def test_what_no_run_can_take_is_refused_with_a_sentence():
    """Seeds from a script: what passes here would end in the middle of a run, or in half a result."""
    with pytest.raises(InputError, match="No segment is chosen"):
        Request.of(VOLUME, {"L3": painted(4)}, wanted=[])
    with pytest.raises(InputError, match='"L3" has two seeds on axial slice 4'):
        Request.of(VOLUME, {"L3": [*painted(4), SeedSlice(Plane.AXIAL, 4, np.zeros((12, 14), dtype=bool))]})
    with pytest.raises(InputError, match="type float64; it must be bool"):
        SeedSlice(Plane.AXIAL, 4, np.ones((12, 14)))
    by_name = SeedSlice("axial", 4, painted(4)[0].mask)
    assert places(Request.of(VOLUME, {"L3": (seed for seed in [by_name])}), "L3") == [AXIAL_4]


def test_an_axis_without_paint_is_told_after_the_marks():
    """Switched off, its last painted slice is as good as none."""
    view = VOLUME.view(Plane.CORONAL)
    found = {"L3": [*painted(4), SeedSlice(Plane.CORONAL, 6, np.ones(view.shape, dtype=bool))]}
    coronal = Settings(planes=("coronal",))
    assert len(places(Request.of(VOLUME, found, coronal), "L3")) == 2
    with pytest.raises(InputError, match='"L3" has no painted coronal slice'):
        Request.of(VOLUME, found, coronal, marks=Marks(skipped={"L3": [(Plane.CORONAL, 6)]}))


def test_a_request_knows_its_volume_again():
    """By voxels and place, whatever object or name they come in."""
    request = Request.of(VOLUME, {"L3": painted(4)})
    assert request.is_about(Volume(VOLUME.voxels.copy(), VOLUME.ijk_to_ras, "loaded again"))
    assert not request.is_about(Volume(VOLUME.voxels + 1, VOLUME.ijk_to_ras))
    assert not request.is_about(Volume(VOLUME.voxels, np.diag([1.0, 1.0, 2.0, 1.0])))
