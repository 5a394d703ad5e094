"""Writing results: what Slicer reads is what was meant, and nothing half written is ever left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, check_output, read_provenance, read_seeds, write_segmentation
from SAM2VolumeSegLib.volume import target as target_module

SHAPE = (10, 12, 14)
TAGS = "Segmentation.Status:completed|TerminologyEntry:List~SCT^123037004^Structure~SCT^181827002^Spine~^^~~^^~^^|"
PROVENANCE = {"settings": {"window": 'bone "x" \\ | & :=', "radius": 0.3}, "name": "Ärmel 右", "text": "two\nlines"}


@pytest.fixture
def a_volume() -> Volume:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix() * (-0.7, 0.8, 2.5)
    matrix[:3, 3] = (40.0, -60.0, 812.5)
    return Volume(np.zeros(SHAPE, np.int16), matrix, "ct")


def some_segments(overlap: bool) -> list[Segment]:
    first, second, third = (np.zeros(SHAPE, dtype=bool) for _ in range(3))
    first[2:5, 3:9, 4:10] = True
    second[(4 if overlap else 5) : 8, 3:9, 4:10] = True
    third[9, 11, 13] = True
    return [
        Segment("L3", first, (1.0, 0.5, 0.25), "spine_3", TAGS),
        Segment("Ärmel 右 \\n", second, (0.1, 0.2, 0.3)),
        Segment("corner", third, (0.0, 1.0, 0.0), "Segment_1"),
        Segment("empty", np.zeros(SHAPE, dtype=bool)),
    ]


@pytest.mark.parametrize("overlap", [False, True])
def test_slicer_opens_it(a_slicer_scene, a_volume, tmp_path, overlap):
    """Read with Slicer's own storage node: names, colors, ids, terminology, geometry and voxels."""
    slicer = a_slicer_scene
    path = tmp_path / "result.seg.nrrd"
    segments = some_segments(overlap)
    write_segmentation(path, a_volume, segments, PROVENANCE)
    assert len(sitk.ReadImage(str(path)).GetSize()) == 3

    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.ReadData(node) == 1
    messages = storage.GetUserMessages()
    assert messages.GetNumberOfMessages() == 0, messages.GetAllMessagesAsString()

    volume_node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.updateVolumeFromArray(volume_node, np.array(a_volume.voxels))
    volume_node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(a_volume.ijk_to_ras))
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 4
    assert segmentation.GetNumberOfLayers() == (2 if overlap else 1)
    for number, segment in enumerate(segments):
        segment_id = segmentation.GetNthSegmentID(number)
        theirs = segmentation.GetSegment(segment_id)
        assert theirs.GetName() == segment.name
        assert theirs.GetColor() == pytest.approx(segment.color, abs=1e-5)
        if segment.id:
            assert segment_id == segment.id
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, volume_node)
        np.testing.assert_array_equal(array > 0, segment.mask)
    tag = slicer.vtkSegment.GetTerminologyEntryTagName()
    terminology = vtk.mutable("")
    assert segmentation.GetSegment("spine_3").GetTag(tag, terminology)
    assert "SCT^181827002^Spine" in str(terminology)

    # Slicer knows the grid of the whole CT, so the editor paints on it although the labelmap is cropped.
    parameter = segmentation.GetConversionParameter("Reference image geometry")
    image = slicer.vtkOrientedImageData()
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(parameter, image, False)
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    image.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), a_volume.ijk_to_ras, atol=1e-9)
    assert tuple(image.GetExtent()) == (0, 13, 0, 11, 0, 9)


@pytest.mark.parametrize("overlap", [False, True])
def test_seg_nrrd_round_trip(a_volume, tmp_path, overlap):
    path = tmp_path / "result.seg.nrrd"
    segments = some_segments(overlap)
    write_segmentation(path, a_volume, {s.name: s for s in segments}, PROVENANCE)
    seeds = read_seeds(path, a_volume)
    assert [s.name for s in seeds.values()] == [s.name for s in segments]
    for segment in segments:
        again = seeds[segment.name]
        np.testing.assert_array_equal(again.mask, segment.mask)
        assert again.color == pytest.approx(segment.color) and again.id
    assert seeds["L3"].tags == TAGS and seeds["L3"].id == "spine_3"
    assert len({s.id for s in seeds.values()}) == 4
    assert read_provenance(path) == PROVENANCE
    assert os.listdir(tmp_path) == ["result.seg.nrrd"]


def test_each_segment_has_the_extent_of_its_layer(a_volume, tmp_path):
    """Slicer before 5.8 cuts a layer to the extent of its first segment: the other bones were gone, without a word."""
    path = tmp_path / "result.seg.nrrd"
    write_segmentation(path, a_volume, some_segments(overlap=False), {})
    extents = {value for key, value in nrrd.read_header(str(path)).items() if key.endswith("_Extent")}
    assert extents == {"4 13 3 11 2 9"}


def test_many_overlapping_and_many_labels(a_volume, tmp_path):
    """More than 255 segments do not fit 8 bits; nested ones need a layer each."""
    flat = np.arange(a_volume.voxels.size).reshape(SHAPE)
    many = [Segment(f"s{n}", flat == n) for n in range(300)] + [Segment("all", flat >= 0), Segment("most", flat > 5)]
    path = tmp_path / "many.seg.nrrd"
    write_segmentation(path, a_volume, many, {})
    seeds = read_seeds(path, a_volume)
    for segment in many:
        np.testing.assert_array_equal(seeds[segment.name].mask, segment.mask)


@pytest.mark.parametrize("name", ["result.nii.gz", "result.nii"])
def test_label_map(a_volume, tmp_path, name):
    segments = some_segments(overlap=False)
    segments.append(Segment("label 22", np.roll(segments[2].mask, 1, axis=2)))
    write_segmentation(tmp_path / name, a_volume, segments, PROVENANCE)
    note = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert note["provenance"] == PROVENANCE
    assert note["labels"] == {"1": "L3", "2": "Ärmel 右 \\n", "3": "corner", "4": "empty", "22": "label 22"}
    seeds = read_seeds(tmp_path / name, a_volume)
    assert list(seeds) == ["label 1", "label 2", "label 3", "label 22"]
    for label, segment in (("label 1", segments[0]), ("label 3", segments[2]), ("label 22", segments[4])):
        np.testing.assert_array_equal(seeds[label].mask, segment.mask)
    image = sitk.ReadImage(str(tmp_path / name))
    x, y, z = image.TransformIndexToPhysicalPoint((3, 4, 5))
    np.testing.assert_allclose((a_volume.ijk_to_ras @ (3, 4, 5, 1))[:3], (-x, -y, z), atol=1e-4)


def test_label_map_refuses_what_it_cannot_hold(a_volume, tmp_path):
    """Silently giving the overlap to one bone would be a wrong result."""
    with pytest.raises(InputError, match=r'"Ärmel.*" and "L3" overlap.*\.seg\.nrrd'):
        write_segmentation(tmp_path / "result.nii.gz", a_volume, some_segments(overlap=True), {})
    sheared = a_volume.ijk_to_ras.copy()
    sheared[:3, 2] += 0.3 * sheared[:3, 1]
    volume = Volume(a_volume.voxels, sheared)
    with pytest.raises(InputError, match="sheared"):
        write_segmentation(tmp_path / "result.nii.gz", volume, some_segments(overlap=False), {})
    write_segmentation(tmp_path / "result.seg.nrrd", volume, some_segments(overlap=False), {})
    np.testing.assert_array_equal(
        read_seeds(tmp_path / "result.seg.nrrd", volume)["L3"].mask, some_segments(False)[0].mask
    )
    assert os.listdir(tmp_path) == ["result.seg.nrrd"]


def test_unusable_places(a_volume, tmp_path):
    segments = some_segments(overlap=False)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.seg.nrrd").mkdir()
    (tmp_path / "locked").mkdir(mode=0o500)
    # Root may write anywhere but in /proc.
    unwritable = Path("/proc") if os.access(tmp_path / "locked", os.W_OK) else tmp_path / "locked"
    for path, message in (
        (tmp_path / "result.png", r"result\.png.*\.seg\.nrrd, \.nii\.gz, \.nii"),
        (tmp_path / ".seg.nrrd", "no name"),
        (tmp_path / "result.nrrd", "no name"),
        (tmp_path / "absent" / "result.nii", "no folder"),
        (tmp_path / "file" / "result.nii", "no folder"),
        (tmp_path / "folder.seg.nrrd", "is a folder"),
        (unwritable / "result.seg.nrrd", "cannot be written"),
    ):
        for attempt in (check_output, lambda p: write_segmentation(p, a_volume, segments, {})):
            with pytest.raises(InputError, match=message):
                attempt(path)
    with pytest.raises(InputError, match="no segments"):
        write_segmentation(tmp_path / "result.nii", a_volume, [], {})
    check_output(tmp_path / "result.seg.nrrd")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.seg.nrrd", "locked"]


@pytest.mark.parametrize("name", ["result.seg.nrrd", "result.nii.gz"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_nothing_half_written_is_left(a_volume, tmp_path, monkeypatch, name, error):
    """Interrupted just before the move: the old result is still whole and nothing lies beside it."""
    old = some_segments(overlap=False)
    write_segmentation(tmp_path / name, a_volume, old, {"run": 1})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def interrupted(*_):
        raise error

    monkeypatch.setattr(target_module.os, "replace", interrupted)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else InputError
    with pytest.raises(expected, match=None if expected is KeyboardInterrupt else "No space left"):
        write_segmentation(tmp_path / name, a_volume, old[:1], {"run": 2})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


# ------------------------------------------------------------------------------------------------ labels and names


@pytest.mark.parametrize(
    ("label", "kind"), [(255, np.uint8), (70_000, np.int32), (2**31 - 1, np.int32), (65_535, np.uint16)]
)
def test_large_labels_keep_their_value(a_volume, tmp_path, label, kind):
    """Atlases number structures in the ten thousands: written as 1, a hip becomes a femur in the next program."""
    segments = some_segments(overlap=False)[:2]
    segments[0].name = f"label {label}"
    write_segmentation(tmp_path / "result.nii.gz", a_volume, segments, {})
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "result.nii.gz")))
    assert labels.dtype == kind
    np.testing.assert_array_equal(labels == label, segments[0].mask)
    np.testing.assert_array_equal(labels == 1, segments[1].mask)
    assert list(read_seeds(tmp_path / "result.nii.gz", a_volume)) == ["label 1", f"label {label}"]


def test_segments_share_no_label_whatever_they_are_called(a_volume, tmp_path):
    names = ["label 022", "label 22", "label 22", "L-1", "L1", "../../x", "label 0", "label 2147483648", "label \u0662"]
    flat = np.arange(a_volume.voxels.size).reshape(SHAPE)
    segments = [Segment(name, flat == number) for number, name in enumerate(names)]
    write_segmentation(tmp_path / "result.nii.gz", a_volume, segments, {})
    note = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["labels"]
    assert sorted(note.values()) == sorted(names) and note["22"] == "label 22"
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "result.nii.gz")))
    for value, name in note.items():
        assert any(one.name == name and (one.mask == (labels == int(value))).all() for one in segments)
    assert sorted(os.listdir(tmp_path)) == ["result.json", "result.nii.gz"]


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no text")


CIRCLE = {"name": "circle"}
CIRCLE["again"] = CIRCLE
ODD = {
    "series": "Sch\udce4del",
    "surrogate \ud800": 1,
    "nan": float("nan"),
    ("a", 1): {None: np.float32(0.5), "set": {1}},
    "path": Path("/x"),
    "bytes": b"\xff",
    "broken": Unspeakable(),
    "circle": CIRCLE,
    "huge": 10**5000,
}


@pytest.mark.parametrize("name", ["result.seg.nrrd", "result.nii.gz"])
def test_provenance_never_costs_a_result(a_volume, tmp_path, name):
    """A series description with an umlaut once threw an hour's run away."""
    segments = [Segment("Sch\udce4del", some_segments(False)[0].mask, tags="k:\ud800|")]
    volume = Volume(a_volume.voxels, a_volume.ijk_to_ras, "Sch\udce4del")
    write_segmentation(tmp_path / name, volume, segments, ODD)
    if name.endswith(".nrrd"):
        kept = read_provenance(tmp_path / name)
        assert list(read_seeds(tmp_path / name, volume)) == ["Sch?del"]
    else:
        note = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
        kept = note["provenance"]
        assert note["labels"] == {"1": "Sch?del"}
    assert kept["series"] == "Sch?del" and kept["nan"] == "nan" and kept["('a', 1)"]["None"] == "0.5"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=12), min_size=1, max_size=4))
def test_any_name_comes_back(tmp_path_factory, names):
    """Reading back what was written is part of writing: a name that cannot come back would cost the result."""
    folder = tmp_path_factory.mktemp("names")
    volume = Volume(np.zeros((4, 4, 4), np.int16), np.eye(4))
    flat = np.arange(64).reshape(4, 4, 4)
    segments = [Segment(name, flat == number) for number, name in enumerate(names)]
    write_segmentation(folder / "r.seg.nrrd", volume, segments, {"names": names})
    write_segmentation(folder / "r.nii", volume, segments, {"names": names})
    for number, found in enumerate(read_seeds(folder / "r.seg.nrrd", volume).values()):
        assert found.mask.ravel()[number] and found.mask.sum() == 1


# --------------------------------------------------------------------------------------------------- whole or not

SHORT = """
import resource, sys
import numpy as np
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, write_segmentation
volume = Volume(np.zeros((20, 50, 50), np.int16), np.eye(4))
mask = np.random.default_rng(0).random(volume.voxels.shape) > 0.5
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for name in sys.argv[1:]:
    try:
        write_segmentation(name, volume, [Segment("L3", mask)], {})
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited on Windows")
def test_a_file_that_the_disk_does_not_take_whole_is_said_and_replaces_nothing(a_volume, tmp_path):
    """ITK writes half a NIfTI and says that all is well; here files cannot grow beyond 4 kB."""
    names = ["r.nii.gz", "s.nii", "t.seg.nrrd"]
    for name in names:
        write_segmentation(tmp_path / name, a_volume, some_segments(overlap=False), {"run": 1})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    command = [sys.executable, "-c", SHORT, *(str(tmp_path / name) for name in names)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for name, line in zip(names, told, strict=True):
        assert name in line and "cannot be written" in line and "what was there is kept" in line
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("old", [True, False])
def test_a_label_map_and_its_names_are_replaced_together(a_volume, tmp_path, monkeypatch, old):
    """The folder lets the names through and not the image (it is somebody else's, the disk is full): neither is new."""
    segments = some_segments(overlap=False)
    if old:
        write_segmentation(tmp_path / "r.nii.gz", a_volume, segments, {"run": 1})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    move = os.replace

    def only_names(source, place):
        if str(place).endswith(".nii.gz"):
            raise PermissionError(1, "Operation not permitted")
        move(source, place)

    monkeypatch.setattr(target_module.os, "replace", only_names)
    with pytest.raises(InputError, match="not permitted"):
        write_segmentation(tmp_path / "r.nii.gz", a_volume, segments[:1], {"run": 2})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_killed_program_left_is_removed_when_it_is_old(a_volume, tmp_path):
    for name, age in (("old", 2 * 86_400), ("new", 60)):
        (tmp_path / f".sam2volumeseg-{name}").mkdir()
        (tmp_path / f".sam2volumeseg-{name}" / "half.nii").write_bytes(b"half")
        then = (tmp_path / f".sam2volumeseg-{name}").stat().st_mtime - age
        os.utime(tmp_path / f".sam2volumeseg-{name}", (then, then))
    write_segmentation(tmp_path / "r.seg.nrrd", a_volume, some_segments(False), {})
    assert sorted(os.listdir(tmp_path)) == [".sam2volumeseg-new", "r.seg.nrrd"]
