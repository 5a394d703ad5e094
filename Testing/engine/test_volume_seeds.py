"""Reading painted segments: every layout of Slicer's own files, label images, and seeds that do not fit the CT."""

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, read_seeds, read_volume, write_segmentation

SHAPE = (10, 12, 14)
TAGS = "Segmentation.Status:inprogress|TerminologyEntry:List~SCT^123037004^Structure~SCT^181827002^Spine~^^~~^^~^^|"


@pytest.fixture
def an_oblique_ct() -> Volume:
    """Oblique, left-handed and anisotropic."""
    matrix = np.eye(4)
    rotation = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()
    matrix[:3, :3] = rotation * (-0.7, 0.8, 2.5)
    matrix[:3, 3] = (40.0, -60.0, 812.5)
    return Volume(np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16), matrix, "ct")


def block(k, j, i, shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[slice(*k), slice(*j), slice(*i)] = True
    return mask


def slicer_volume(slicer, volume):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", volume.name)
    slicer.util.updateVolumeFromArray(node, np.array(volume.voxels))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras))
    return node


def save_with_slicer(slicer, path, volume, masks, with_reference=True):
    """Paint ``masks`` (by name) with Slicer and save them with its storage node."""
    volume_node = slicer_volume(slicer, volume)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "seeds")
    node.CreateDefaultDisplayNodes()
    if with_reference:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    for number, (name, mask) in enumerate(masks.items()):
        node.GetSegmentation().AddEmptySegment(f"Segment_{number}", name, (0.25, 0.5, 0.1 * number))
        segment = node.GetSegmentation().GetSegment(f"Segment_{number}")
        for pair in TAGS.strip("|").split("|"):
            segment.SetTag(*pair.split(":", 1))
        if mask.any():
            slicer.util.updateSegmentBinaryLabelmapFromArray(
                mask.astype(np.uint8), node, f"Segment_{number}", volume_node
            )
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(node) == 1
    return nrrd.read_header(str(path))


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("overlap", [True, False])
def test_files_that_slicer_writes(a_slicer_scene, an_oblique_ct, tmp_path, with_reference, overlap):
    """Shared layers, cropped extents, overlapping segments, an empty segment: every mask lands on its own voxels."""
    masks = {
        "L3": block((2, 3), (3, 9), (4, 10)),
        "Ärmel/右": block((5, 8), (1, 4), (11, 14)),
        "empty": np.zeros(SHAPE, dtype=bool),
        "third": block((2, 4), (3, 6), (4, 7)) if overlap else block((8, 10), (10, 12), (0, 2)),
    }
    path = tmp_path / "seeds.seg.nrrd"
    header = save_with_slicer(a_slicer_scene, path, an_oblique_ct, masks, with_reference)
    assert header["dimension"] == (4 if overlap else 3)
    seeds = read_seeds(path, an_oblique_ct)
    assert list(seeds) == list(masks)
    for number, (name, segment) in enumerate(seeds.items()):
        np.testing.assert_array_equal(segment.mask, masks[name])
        assert segment.mask.dtype == bool and segment.name == name and segment.id == f"Segment_{number}"
        assert segment.color == pytest.approx((0.25, 0.5, 0.1 * number), abs=1e-5)
        assert "SCT^181827002^Spine" in segment.tags


def test_slicer_crops_what_it_writes(a_slicer_scene, an_oblique_ct, tmp_path):
    """The test above means nothing if Slicer did not crop the image to the painted extent."""
    path = tmp_path / "seeds.seg.nrrd"
    masks = {"L3": block((2, 3), (3, 9), (4, 10))}
    header = save_with_slicer(a_slicer_scene, path, an_oblique_ct, masks, with_reference=False)
    assert list(header["sizes"]) == [6, 6, 1]
    np.testing.assert_array_equal(read_seeds(path, an_oblique_ct)["L3"].mask, masks["L3"])


def test_slicer_file_without_a_painted_voxel(a_slicer_scene, an_oblique_ct, tmp_path):
    path = tmp_path / "seeds.seg.nrrd"
    save_with_slicer(a_slicer_scene, path, an_oblique_ct, {"L3": np.zeros(SHAPE, dtype=bool)})
    with pytest.raises(InputError, match="Nothing is painted"):
        read_seeds(path, an_oblique_ct)
    save_with_slicer(a_slicer_scene, path, an_oblique_ct, {})
    with pytest.raises(InputError, match="no segments|Nothing is painted"):
        read_seeds(path, an_oblique_ct)


def test_two_segments_of_one_name(an_oblique_ct, tmp_path):
    """Names are not unique in Slicer: none may be lost."""
    path = tmp_path / "seeds.seg.nrrd"
    first, second = block((1, 2), (1, 5), (1, 5)), block((3, 4), (1, 5), (1, 5))
    write_segmentation(path, an_oblique_ct, [Segment("rib", first), Segment("rib", second)], {})
    seeds = read_seeds(path, an_oblique_ct)
    assert list(seeds) == ["rib", "rib (2)"] and seeds["rib (2)"].name == "rib"
    np.testing.assert_array_equal(seeds["rib (2)"].mask, second)


def test_old_slicer_files_have_a_layer_per_segment(an_oblique_ct, tmp_path):
    """Before Slicer 4.11 there were no Layer and LabelValue fields: layer N was segment N."""
    path = tmp_path / "old.seg.nrrd"
    masks = [block((1, 2), (1, 5), (1, 5)), block((1, 4), (2, 5), (1, 5))]
    lps = np.diag((-1, -1, 1, 1)) @ an_oblique_ct.ijk_to_ras
    header = {
        "space": "left-posterior-superior",
        "space directions": np.vstack([[np.nan] * 3, lps[:3, :3].T]),
        "space origin": lps[:3, 3],
        "kinds": ["list", "domain", "domain", "domain"],
        "Segment0_ID": "A",
        "Segment0_Name": "first",
        "Segment1_ID": "B",
        "Segment1_Name": "second",
    }
    nrrd.write(str(path), np.stack(masks, axis=-1).astype(np.uint8), header, index_order="C")
    seeds = read_seeds(path, an_oblique_ct)
    for name, mask in zip(("first", "second"), masks, strict=True):
        np.testing.assert_array_equal(seeds[name].mask, mask)


def write_labels(path, labels, volume, offset=(0, 0, 0), matrix=None):
    """Write a label image whose voxel 0 is voxel ``offset`` (i, j, k) of the volume."""
    matrix = volume.ijk_to_ras if matrix is None else matrix
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(spacing)
    image.SetDirection((np.diag((-1, -1, 1)) @ matrix[:3, :3] / spacing).ravel())
    image.SetOrigin((np.diag((-1, -1, 1, 1)) @ matrix @ (*offset, 1))[:3])
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("name", ["labels.nii.gz", "labels.nrrd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_label_image(an_oblique_ct, tmp_path, name, dtype):
    """Many data sets store labels as 22.0."""
    labels = np.zeros(SHAPE, dtype=dtype)
    labels[3, 2:5, 2:5], labels[4:6, 2:5, 2:5] = 22, 7
    write_labels(tmp_path / name, labels, an_oblique_ct)
    seeds = read_seeds(tmp_path / name, an_oblique_ct)
    assert list(seeds) == ["label 7", "label 22"]
    np.testing.assert_array_equal(seeds["label 22"].mask, labels == 22)
    assert seeds["label 7"].color != seeds["label 22"].color


@pytest.mark.parametrize(
    ("dtype", "label"), [(np.uint16, 300), (np.uint32, 70000), (np.float32, 70000), (np.int16, 300)]
)
@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
def test_large_labels(an_oblique_ct, tmp_path, dtype, label, suffix):
    labels = block((3, 4), (2, 5), (2, 5)).astype(dtype) * dtype(label)
    write_labels(tmp_path / f"labels.{suffix}", labels, an_oblique_ct)
    seeds = read_seeds(tmp_path / f"labels.{suffix}", an_oblique_ct)
    assert list(seeds) == [f"label {label}"]
    np.testing.assert_array_equal(seeds[f"label {label}"].mask, labels != 0)


@pytest.mark.parametrize("value", [-1, 0.5, np.inf, -np.inf, np.nan, "many"])
def test_values_that_are_no_labels(an_oblique_ct, tmp_path, value, recwarn):
    """Anything else would be seeds that nobody painted, or a warning of numpy's before the sentence."""
    labels = np.zeros(SHAPE, dtype=np.float32)
    if value == "many":
        labels.flat[:256] = np.arange(1, 257)
    else:
        labels[-1, -1, -1] = value
    write_labels(tmp_path / "labels.nrrd", labels, an_oblique_ct)
    with pytest.raises(InputError, match="is not a label image"):
        read_seeds(tmp_path / "labels.nrrd", an_oblique_ct)
    assert not recwarn
    if value == "many":
        labels[labels == 256] = 0
        write_labels(tmp_path / "labels.nrrd", labels, an_oblique_ct)
        assert len(read_seeds(tmp_path / "labels.nrrd", an_oblique_ct)) == 255


def test_real_labels(a_ct, a_ct_labels, sample_ct_folder):
    seeds = read_seeds(sample_ct_folder / "sub-ct_seg-vert_label-22_msk.nii.gz", a_ct)
    assert {"label 21", "label 22", "label 23"} <= set(seeds)
    np.testing.assert_array_equal(seeds["label 22"].mask, a_ct_labels == 22)


def test_real_float_labels(shared_data):
    folder = shared_data / "spine-ct"
    seeds = read_seeds(folder / "thick_slices_vertebrae.nii.gz", read_volume(folder / "thick_slices_ct.nii.gz"))
    assert {"label 23", "label 24"} <= set(seeds)


def test_crops_and_extensions_of_the_lattice_fit(an_oblique_ct, tmp_path):
    path = tmp_path / "labels.nrrd"
    labels = np.zeros((3, 4, 5), dtype=np.uint8)
    labels[1, 1:3, 1:4] = 1
    write_labels(path, labels, an_oblique_ct, offset=(6, 5, 4))
    expected = block((5, 6), (6, 8), (7, 10))
    np.testing.assert_array_equal(read_seeds(path, an_oblique_ct)["label 1"].mask, expected)
    wide = np.pad(expected, ((2, 3), (1, 4), (5, 0))).astype(np.uint8)
    write_labels(path, wide, an_oblique_ct, offset=(-5, -1, -2))
    np.testing.assert_array_equal(read_seeds(path, an_oblique_ct)["label 1"].mask, expected)
    wide[0, 0, :3] = 1
    write_labels(path, wide, an_oblique_ct, offset=(-5, -1, -2))
    with pytest.raises(InputError, match='"label 1" has 3 painted voxels outside the CT'):
        read_seeds(path, an_oblique_ct)
    write_labels(path, labels, an_oblique_ct, offset=(600, 5, 4))  # nowhere near
    with pytest.raises(InputError, match='"label 1" has 6 painted voxels outside the CT'):
        read_seeds(path, an_oblique_ct)


def test_seeds_on_another_grid_are_refused_with_the_reason(an_oblique_ct, tmp_path):
    """Taken over as they are, they would seed the wrong voxels."""
    path = tmp_path / "labels.nrrd"
    labels = np.ones(SHAPE, dtype=np.uint8)
    coarse, turned, moved = (an_oblique_ct.ijk_to_ras.copy() for _ in range(3))
    coarse[:3, 2] *= 2
    turned[:3, :3] = Rotation.from_euler("z", 5, degrees=True).as_matrix() @ turned[:3, :3]
    moved[:3, 3] += an_oblique_ct.ijk_to_ras[:3, 0] / 2
    for matrix, message in (
        (coarse, r"spacing 0.7 x 0.8 x 5 mm instead of 0.7 x 0.8 x 2.5 mm"),
        (turned, "direction turned by up to 4.9 degrees"),
        (moved, "origin 0.35 mm apart"),
    ):
        write_labels(path, labels, an_oblique_ct, matrix=matrix)
        with pytest.raises(InputError, match=message):
            read_seeds(path, an_oblique_ct)
    write_labels(path, labels[:5], an_oblique_ct, matrix=coarse)
    with pytest.raises(InputError, match="size 14 x 12 x 5 instead of 14 x 12 x 10"):
        read_seeds(path, an_oblique_ct)


def test_unusable_seed_files(an_oblique_ct, tmp_path):
    ct = tmp_path / "ct.nrrd"
    write_labels(ct, np.array(an_oblique_ct.voxels), an_oblique_ct)
    empty = tmp_path / "empty.nii.gz"
    write_labels(empty, np.zeros(SHAPE, np.uint8), an_oblique_ct)
    half = tmp_path / "half.nrrd"
    write_labels(half, np.full(SHAPE, 0.5, np.float32), an_oblique_ct)
    good = tmp_path / "good.seg.nrrd"
    write_segmentation(good, an_oblique_ct, [Segment("bone", an_oblique_ct.voxels > 0)], {})
    cut = tmp_path / "cut.seg.nrrd"
    cut.write_bytes(good.read_bytes()[:-20])
    fractional = tmp_path / "fractional.seg.nrrd"
    fractional.write_bytes(good.read_bytes().replace(b"=Binary labelmap\n", b"=Fractional labelmap\n"))
    (tmp_path / "text.nrrd").write_text("NRRD0004\nnonsense")
    for path, message in (
        (ct, "not a label image.*not the CT"),
        (half, "not a label image"),
        (empty, "Nothing is painted"),
        (cut, "damaged"),
        (fractional, "fractional labelmap"),
        (tmp_path / "text.nrrd", "cannot be read"),
        (tmp_path / "absent.seg.nrrd", "no file"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(InputError, match=message):
            read_seeds(path, an_oblique_ct)
    with pytest.raises(InputError, match="is a segmentation"):
        read_volume(good)
