"""Writing results: what Slicer reads is what was meant, and nothing half written is ever left."""

import json
import os
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, check_output, read_provenance, read_seeds, write_segmentation
from SAM2VolumeSegLib.volume import write as write_module

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

    monkeypatch.setattr(write_module.os, "replace", interrupted)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else InputError
    with pytest.raises(expected, match=None if expected is KeyboardInterrupt else "No space left"):
        write_segmentation(tmp_path / name, a_volume, old[:1], {"run": 2})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
