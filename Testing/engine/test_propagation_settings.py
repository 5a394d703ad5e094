"""Settings: every choice of a run, kept with the result and read again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Settings
from SAM2VolumeSegLib.propagation.settings import CROPS, DIRECTIONS, FUSIONS
from SAM2VolumeSegLib.volume import WINDOWS, Box, Plane


@st.composite
def boxes(draw):
    lower = draw(st.tuples(*[st.integers(0, 500)] * 3))
    return Box(lower, tuple(first + draw(st.integers(1, 500)) for first in lower))


numbers = st.floats(-5000, 5000)
volume_memories = st.one_of(
    st.builds(VolumeMemory, st.one_of(st.none(), st.floats(0.01, 1)), st.integers(0, 2), st.just("is")),
    st.builds(
        VolumeMemory,
        st.one_of(st.none(), st.floats(0.01, 1)),
        st.integers(0, 6),
        st.just("sam2"),
        st.sampled_from((1, 2, 4)),
        st.integers(0, 6),
    ),
)
settings = st.builds(
    Settings,
    window=st.one_of(
        st.sampled_from([*WINDOWS, "min-max"]),
        st.tuples(numbers, numbers).filter(lambda limits: limits[1] - limits[0] > 1e-30),
    ),
    clahe=st.booleans(),
    planes=st.one_of(st.none(), st.lists(st.sampled_from(Plane), min_size=1, unique=True).map(tuple)),
    margin_mm=st.floats(0, 1000),
    roi=st.one_of(st.none(), boxes()),
    crop=st.sampled_from(list(CROPS)),
    memory=volume_memories,
    direction=st.sampled_from(list(DIRECTIONS)),
    fusion=st.sampled_from(list(FUSIONS)),
    drop_islands=st.booleans(),
    extend=st.booleans(),
    passes=st.sampled_from((1, 2)),
    pace_mm=st.floats(0, 100),
)


@given(settings)
def test_settings_survive_json(chosen):
    """A run that cannot be repeated from its file is not documented by it."""
    assert Settings.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_the_papers_memory_is_written_as_it_always_was():
    """The study's records and the names of its tasks hold it: another form would make every result count as missing."""
    plain = {"radius": 0.3, "recent": 2, "embeddings": "is", "stride": 1, "gate": 0}
    assert RECOMMENDED.to_dict()["memory"] == plain
    assert list(RECOMMENDED.to_dict()["memory"]) == list(plain)


def test_crops_of_an_older_version_are_read():
    """A result's file says how it was made, also when the choice had two values."""
    assert Settings.from_dict({"crop_each": True}).crop == "each"
    assert Settings.from_dict({"crop_each": False}).crop == "shared"
    with pytest.raises(InputError, match="auto, shared, each"):
        Settings(crop="own")


def test_what_is_missing_has_its_default():
    """Files of an older version know fewer settings."""
    assert Settings.from_dict({}) == RECOMMENDED
    assert Settings.from_dict({"passes": 2, "memory": {"recent": 1}}) == Settings(
        passes=2, memory=VolumeMemory(recent=1)
    )


def test_the_recommendations_of_the_paper():
    """IS + SPS with radius 0.3; and SAM2 as it comes, to compare with."""
    memory = RECOMMENDED.memory
    assert (memory.radius, memory.recent, memory.embeddings, RECOMMENDED.window) == (0.3, 2, "is", "bone")
    assert RECOMMENDED.planes is None and RECOMMENDED.passes == 1
    assert (PAPER.memory, PAPER.fusion, PAPER.drop_islands) == (memory, "mean", False)
    assert PAPER.pace_mm == STOCK_SAM2.pace_mm == 0, "the paper's N counts every slice"
    assert STOCK_SAM2.memory == STOCK and STOCK_SAM2.planes == (Plane.AXIAL,) and STOCK_SAM2.direction == "forward"


@pytest.mark.parametrize(
    ("pace_mm", "slice_mm", "every"),
    [(0, 0.1, 1), (1.5, 0.5, 3), (1.5, 0.4999, 3), (1.5, 0.8, 2), (1.5, 1.0, 1), (1.5, 0.9999, 1), (1.5, 5, 1)],
)
def test_a_pace_is_kept_as_near_as_whole_slices_come(pace_mm, slice_mm, every):
    """A pixel of 0.8 mm is as common as one of 0.5 mm; thick slices are each visited."""
    assert Settings(pace_mm=pace_mm).every(slice_mm) == every


def test_plain_values_are_understood():
    assert Settings(planes=["coronal", "axial"]).planes == (Plane.CORONAL, Plane.AXIAL)
    assert Settings(window=[-100, 500]) == Settings(window=(-100.0, 500.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": "bones"}, r'no intensity window "bones".*bone, soft tissue, lung, brain'),
        ({"window": (300, 300)}, "empty"),
        ({"window": (1, 2, 3)}, "neither a name nor a lower and an upper limit"),
        ({"window": 400}, "neither a name"),
        ({"window": ("low", "high")}, "neither a name"),
        ({"window": (float("nan"), 3)}, "empty"),
        ({"planes": ["axial", "transversal"]}, "no axis 'transversal'.*axial, coronal, sagittal"),
        ({"planes": []}, "Name each axis once"),
        ({"planes": ["axial", "axial"]}, "Name each axis once"),
        ({"margin_mm": -1}, "margin is -1 mm"),
        ({"margin_mm": float("nan")}, "margin"),
        ({"margin_mm": float("inf")}, "margin"),
        ({"direction": "sideways"}, "'sideways'.*forward-backward, forward, backward"),
        ({"fusion": "loudest"}, "'loudest'.*nearness, mean"),
        ({"passes": 3}, "passes is 3"),
        ({"pace_mm": -0.5}, "pace is -0.5 mm"),
        ({"pace_mm": float("nan")}, "pace"),
        ({"pace_mm": float("inf")}, "pace"),
        ({"colour": 1, "windw": "bone"}, "no setting named colour, windw"),
        ({"memory": {"radius": 0.3, "recents": 2}}, "no setting named recents"),
        ({"memory": {"radius": 0}}, "radius is 0"),
        ({"memory": {"recent": -1}}, "recent slices is -1"),
        ({"memory": {"kind": "photographic"}}, "no memory of the kind 'photographic'.*: volume"),
        ({"memory": {"recent": 4}}, "IS has an embedding for two"),
    ],
    ids=str,
)
def test_a_value_that_is_none_is_refused_in_words(values, message):
    with pytest.raises(InputError, match=message):
        Settings.from_dict(values)


@pytest.mark.parametrize(
    "values",
    [
        {"memory": "volume"}, {"memory": None}, {"memory": {"kind": ["volume"]}}, {"memory": {"radius": "0.3"}},
        {"roi": [1, 2]}, {"roi": {"lower": [0, 0, 0]}}, {"margin_mm": "15"},
    ],
)  # fmt: skip
def test_stored_values_of_another_kind_are_refused_with_a_sentence(values):
    """A results file or a provenance that somebody edited by hand."""
    with pytest.raises(InputError):
        Settings.from_dict(values)
