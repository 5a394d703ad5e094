"""`.seg.nrrd` files that are odd, damaged or meant badly: the painted voxels, or one sentence."""

import gzip
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from seg_nrrd_files import GEOMETRY, seg_nrrd

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.volume import Volume, read_provenance, read_seeds
from SAM2VolumeSegLib.volume.segment import BONE_COLOR

SHAPE = (4, 5, 6)
LABELS = np.zeros(SHAPE, dtype=np.uint8)
LABELS[1, 1:4, 1:4], LABELS[3, 2:4, 2:5] = 1, 2
CT = Volume(np.zeros(SHAPE, dtype=np.int16), np.diag([-1.0, -2.0, 3.0, 1.0]), "ct")
SEGMENTS = {
    "Segment0_ID": "a",
    "Segment0_Name": "first",
    "Segment0_LabelValue": "1",
    "Segment0_Layer": "0",
    "Segment1_ID": "b",
    "Segment1_Name": "second",
    "Segment1_LabelValue": "2",
    "Segment1_Layer": "0",
}


def contents(labels=LABELS, fields=None, extra="", keys=SEGMENTS, encoding="gzip", data=None):
    return seg_nrrd(labels, fields or {}, keys, extra, encoding, data)


@pytest.fixture
def read(tmp_path):
    """Read bytes as seeds on CT: masks by name, and what was warned."""

    def read(file):
        path = tmp_path / "seeds.seg.nrrd"
        path.write_bytes(file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seeds = read_seeds(path, CT)
        assert all(issubclass(warning.category, InputWarning) for warning in caught), caught
        return {name: segment.mask for name, segment in seeds.items()}, [str(warning.message) for warning in caught]

    return read


def assert_masks(masks, **expected):
    assert list(masks) == list(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)


FIRST, SECOND = LABELS == 1, LABELS == 2


def test_names_in_latin_1_keep_their_letters_and_that_is_said(read):
    """Programs of the nineties write them: "F?mur" was found by no --segments, and went into the result like that."""
    (found, notes) = read(contents().replace(b":=first", b":=F\xe9mur"))
    assert set(found) == {"F\u00e9mur", "second"} and any("Latin-1" in note for note in notes)


@pytest.mark.parametrize("value", ["1", "1.0", "1.", "+1", "", None])
def test_label_value_one_in_every_spelling(read, value):
    """Converters write 1.0, or nothing where the segment has label 1."""
    masks, notes = read(contents(keys=SEGMENTS | {"Segment0_LabelValue": value}))
    assert_masks(masks, first=FIRST, second=SECOND)
    assert not notes


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 300), (np.int16, 300), (np.uint32, 70000), (np.float32, 300)])
def test_large_label_values(read, dtype, value):
    labels = LABELS.astype(dtype)
    labels[SECOND] = value
    masks, notes = read(contents(labels, keys=SEGMENTS | {"Segment1_LabelValue": value}))
    assert_masks(masks, first=FIRST, second=SECOND)
    assert not notes


def test_the_background_is_no_segment_and_that_is_said(read):
    """A converter writes it as one; taken for a segment it would become seeds all around the patient."""
    keys = {key.replace("Segment0", "Segment7"): value for key, value in SEGMENTS.items()}
    keys |= {"Segment0_ID": "bg", "Segment0_Name": "Background", "Segment0_LabelValue": "0"}
    masks, notes = read(contents(keys=keys))
    assert_masks(masks, second=SECOND, first=FIRST)
    (note,) = notes
    assert "Background" in note and "left out" in note


def test_paint_of_no_segment_is_not_lost_without_a_word(read):
    """Label 2 was painted, but the header does not name it any more."""
    keys = {key: value for key, value in SEGMENTS.items() if key.startswith("Segment0")}
    masks, notes = read(contents(keys=keys))
    assert_masks(masks, first=FIRST)
    (note,) = notes
    assert "label 2" in note


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *[({"Segment1_LabelValue": value}, "LabelValue.*whole number") for value in ("abc", "1.5", "nan", "9" * 5000)],
        ({"Segment1_LabelValue": "-2"}, 'label value of segment "second" is -2'),
        *[({"Segment1_Layer": value}, f"layer {value}.*missing") for value in ("-1", "-5", "1", "7")],
        ({"Segment1_Layer": "abc"}, "Layer.*whole number"),
        ({"Segment1_Layer": None, "Segment1_LabelValue": None}, "layer 1.*missing"),
    ],
)
def test_an_odd_number_of_a_segment_is_named(read, changes, message):
    """Neither a traceback, nor another layer's voxels (-1 was the last layer)."""
    with pytest.raises(InputError, match=message):
        read(contents(keys=SEGMENTS | changes))


def test_a_segment_number_of_5000_digits_is_no_segment(read):
    masks, _ = read(contents(extra=f"Segment{'9' * 5000}_Name:=x\n"))
    assert_masks(masks, first=FIRST, second=SECOND)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *[({"space origin": value}, "not a number") for value in ("(nan,0,0)", "(0,inf,0)")],
        *[({"space origin": value}, "does not say where") for value in ("(0,0)", None, "(0,0,0,0)")],
        *[({"space origin": value}, "damaged") for value in ("", "0 0 0", "(a,b,c)")],
        ({"space origin": "(1e300,0,0)"}, "outside the CT|not the grid"),
        ({"space directions": None}, "does not say where"),
        ({"space directions": "none (0,2,0) (0,0,3)"}, "2 axes in space"),
        ({"space directions": "(1,0,0) (0,2,0)"}, "does not say where"),
        ({"space directions": "(0,0,0) (0,2,0) (0,0,3)"}, "voxels without a size"),
        ({"space directions": "(1,0,0) (1,0,0) (0,0,3)"}, "not the grid"),
        ({"space directions": "(inf,0,0) (0,2,0) (0,0,3)"}, "not a number"),
        ({"space directions": "(1e300,0,0) (0,2,0) (0,0,3)"}, "not the grid|without a size"),
        ({"space": "scanner-xyz"}, "does not say where"),
        *[({"type": value}, "damaged") for value in ("complex", "block", "", None)],
        *[
            ({"sizes": value}, "damaged")
            for value in ("0 5 4", "-6 5 4", "nan 5 4", "6 5", "6 5 5", "6 5 3", "x", None)
        ],
        ({"sizes": "4294967296 4294967296 1"}, "damaged"),  # their product is 0 in 64 bits
        ({"dimension": "2"}, "damaged"),
        ({"dimension": "x"}, "damaged"),
        *[({"encoding": value}, "does not hold its voxels") for value in ("ascii", "hex", "zrl")],
        ({"encoding": None}, "damaged"),
        ({"encoding": "bzip2"}, "damaged"),
        ({"kinds": 'a "b c'}, None),
    ],
)
def test_an_odd_field_is_one_sentence(read, fields, message):
    if message is None:
        assert_masks(read(contents(fields=fields))[0], first=FIRST, second=SECOND)
        return
    with pytest.raises(InputError, match=message):
        read(contents(fields=fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"data file": "/etc/passwd"},
        {"data file": "/dev/zero"},
        {"datafile": "LIST"},
        {"line skip": "99999999999"},
        {"byte skip": "99999999999"},
        {"byte skip": "-1"},
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_no_byte_is_taken_from_elsewhere(read, fields, encoding):
    """Else a file from the net could make this program read any other file, or for ever."""
    start = time.monotonic()
    with pytest.raises(InputError, match="does not hold its voxels right behind its header"):
        read(contents(fields=fields, encoding=encoding))
    assert time.monotonic() - start < 5


def test_more_voxels_than_the_header_says_are_not_unpacked(read):
    """A bomb: 4 GB of zeros behind the voxels took 8 GB of memory, and now takes none of it."""
    block = gzip.compress(bytes(1 << 24))
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged"):
        read(contents(data=gzip.compress(LABELS.tobytes()) + block * 256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 27


def test_voxels_that_are_only_in_the_header_take_no_memory(read):
    tracemalloc.start()
    for encoding in ("raw", "gzip"):
        with pytest.raises(InputError, match="damaged"):
            read(contents(fields={"sizes": "100000 100000 100"}, encoding=encoding))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 27


def test_a_key_with_two_values_is_refused_and_one_said_twice_is_not(read):
    """Taking one of them would lose the other's name, or what was painted under it."""
    assert_masks(read(contents(extra="Segment0_Name:=first\n"))[0], first=FIRST, second=SECOND)
    for extra in ("Segment0_Name:=other\n", "Segment0_LabelValue:=2\n", "space: RAS\n"):
        with pytest.raises(InputError, match="2 values for"):
            read(contents(extra=extra))


def test_a_header_of_100000_lines_is_read_at_once(read):
    start = time.monotonic()
    read(contents(extra="".join(f"note {n}:=x\n" for n in range(100_000))))
    same = "".join(f"Segment{n}_Name:=rib\nSegment{n}_Layer:=0\n" for n in range(2, 10_000))
    masks, _ = read(contents(extra=same))
    assert len(masks) == 10_000
    assert time.monotonic() - start < 30  # some seconds; quadratic work would take minutes


def test_odd_names_stay_apart(read):
    """Names are the user's, and two that look alike on a disk are still two segments."""
    names = ["L-1", "L1", "../../x", "a\\nb", "|", " ", "L1 (2)", "L1"]
    keys = {}
    for number, name in enumerate(names):
        keys |= {f"Segment{number}_ID": f"s{number}", f"Segment{number}_Name": name, f"Segment{number}_Layer": 0}
        keys |= {f"Segment{number}_LabelValue": number + 1}
    labels = np.arange(LABELS.size, dtype=np.uint8).reshape(SHAPE) % (len(names) + 1)
    masks, _ = read(contents(labels, keys=keys))
    assert list(masks) == ["L-1", "L1", "../../x", "a\nb", "|", "s5", "L1 (2)", "L1 (3)"]
    for number, mask in enumerate(masks.values(), 1):
        np.testing.assert_array_equal(mask, labels == number)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("-5 300 1e9", (0, 1, 1)),
        ("nan 0 0", BONE_COLOR),
        ("inf 0.5 -inf", (1, 0.5, 0)),
        ("", BONE_COLOR),
        ("red", BONE_COLOR),
        ("1 2", BONE_COLOR),
    ],
)
def test_colors_stay_colors(tmp_path, text, color):
    """They went through into Slicer's node as they were."""
    path = tmp_path / "seeds.seg.nrrd"
    path.write_bytes(contents(keys=SEGMENTS | {"Segment0_Color": text}))
    assert read_seeds(path, CT)["first"].color == color


def test_provenance_that_is_no_json_is_a_sentence(tmp_path):
    path = tmp_path / "seeds.seg.nrrd"
    for text in ("{", "[" * 100_000, "3"):
        path.write_bytes(contents(extra=f"SAM2VolumeSeg_Provenance:={text}\n"))
        with pytest.raises(InputError, match="damaged"):
            read_provenance(path)


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS", "left-posterior-superior"])
def test_a_file_of_slicer_4_10_lies_in_the_right_place(read, space):
    """One layer a segment, first axis; no Layer, no LabelValue; the origin is that of the crop."""
    first, second = FIRST.copy(), SECOND | FIRST
    sign = "" if space.startswith("l") else "-"
    layers = np.stack([first, second], axis=-1)[1:, 1:, 1:].astype(np.uint8)
    fields = {
        "space": space,
        "sizes": "2 5 4 3",
        "space directions": f"none ({sign}1,0,0) (0,{sign}2,0) (0,0,3)",
        "space origin": f"({sign}1,{sign}2,3)",
        "kinds": "list domain domain domain",
    }
    keys = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "first",
        "Segment0_Extent": "0 2 0 2 0 0",
        "Segment1_ID": "Segment_2",
        "Segment1_Name": "second",
        "Segment1_Extent": "0 3 0 2 0 2",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|Closed surface|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "1 1 1",
    }
    masks, notes = read(contents(layers, fields, keys=keys))
    assert_masks(masks, first=first, second=second)
    assert not notes


GOOD = contents()
START = GOOD.index(b"\n\n") + 2
FUZZ = settings(
    max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3), st.booleans())
def test_no_flip_in_the_voxels_is_taken_for_paint(read, flips, one_bit):
    """Compressed voxels have a checksum: they are the ones that were saved, or the file is refused."""
    file = bytearray(GOOD)
    for place, change in flips:
        file[START + place % (len(GOOD) - START)] ^= 1 << change % 8 if one_bit else change
    assume(bytes(file) != GOOD)
    try:
        masks, notes = read(bytes(file))
    except InputError:
        return
    assert_masks(masks, first=FIRST, second=SECOND)
    assert not notes


@FUZZ
@given(st.integers(0, len(GOOD)), st.binary(max_size=12))
def test_a_file_that_is_cut_or_continued_is_not_taken_for_less_paint(read, length, more):
    try:
        masks, notes = read(GOOD[:length] + more)
    except InputError:
        return
    assert_masks(masks, first=FIRST, second=SECOND)
    assert not notes


@FUZZ
@given(st.lists(st.tuples(st.integers(0, START - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_no_byte_of_the_header_is_a_traceback(read, changes):
    file = bytearray(GOOD)
    for place, value in changes:
        file[place] = value
    try:
        read(bytes(file))
    except InputError as error:
        assert "\n" not in str(error).replace(str(error).split('"')[1], "")


odd_values = st.one_of(
    st.sampled_from(
        ("", "0", "-1", "1.0", "1e400", "nan", "inf", "9" * 5000, "()", "(", "(,,)", "none", "(1,0,0)", "1 1 1", "???"),
    ),
    st.sampled_from(("none none none", "(nan,nan,nan) (0,2,0) (0,0,3)", "(0,0,0,0)", "list domain", "int", "double")),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12),
    st.floats().map(str),
    st.integers().map(str),
)


@FUZZ
@given(
    st.dictionaries(st.sampled_from(("type", "dimension", "endian", "encoding", *GEOMETRY)), odd_values, max_size=2),
    st.dictionaries(
        st.one_of(
            st.sampled_from((*SEGMENTS, "Segment0_Color", "Segment1_Extent", "Segmentation_MasterRepresentation")),
            st.from_regex(r"Segment[0-9]{1,12}_[A-Z]?", fullmatch=True),
        ),
        odd_values,
        max_size=3,
    ),
)
def test_no_value_of_a_field_is_a_traceback(read, fields, keys):
    try:
        masks, _ = read(contents(fields=fields, keys=SEGMENTS | keys))
    except InputError:
        return
    if not fields and all(key in ("Segment0_Color", "Segment1_Extent") for key in keys):
        assert_masks(masks, first=FIRST, second=SECOND)
