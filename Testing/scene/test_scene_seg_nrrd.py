"""The same `.seg.nrrd` read by Slicer's storage node and by this program: the same masks under the same names."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from seg_nrrd_files import seg_nrrd

from SAM2VolumeSegLib.volume import Segment, Volume, read_seeds, write_segmentation

SHAPE = (5, 6, 7)
BOUNDED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
names = st.one_of(
    st.sampled_from(("L1", "L-1", "../../x", "Ärmel/右", "a:=b", "back\\slash")),
    st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8),
)


def a_volume(angles=(10, -20, 30), signs=(-1, 1, 1)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (0.7, 0.8, 2.5) * signs
    matrix[:3, 3] = (40.0, -60.0, 812.5)
    return Volume(np.zeros(SHAPE, dtype=np.int16), matrix, "ct")


def read_by_slicer(slicer, path, volume):
    """Names and masks on the volume's grid, as Slicer has them after loading the file."""
    slicer.mrmlScene.Clear()
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.updateVolumeFromArray(ct, np.array(volume.voxels))
    ct.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return [
        (segmentation.GetSegment(i).GetName(), slicer.util.arrayFromSegmentBinaryLabelmap(node, i, ct) != 0)
        for i in ids
    ]


def assert_read_alike(slicer, path, volume):
    ours = [(segment.name, segment.mask) for segment in read_seeds(path, volume).values()]
    theirs = read_by_slicer(slicer, path, volume)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, mask), (_, other) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mask, other, err_msg=name)


@BOUNDED
@given(
    labels=st.lists(st.lists(st.sampled_from((1, 2, 7, 200)), max_size=4), min_size=1, max_size=3).filter(any),
    legacy=st.booleans(),
    dtype=st.sampled_from((np.uint8, np.uint16, np.int16)),
    names=st.lists(names, min_size=12, max_size=12),
    ras=st.booleans(),
    first=st.tuples(*[st.integers(0, 3)] * 3),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    random_seed=st.integers(0, 2**32 - 1),
)
def test_a_file_of_any_slicer_means_the_same_to_both(
    a_slicer_scene, tmp_path, labels, legacy, dtype, names, ras, first, angles, random_seed
):
    """Shared and single layers, label values in any order, crops, RAS; `legacy` is Slicer 4.10: a layer a segment."""
    volume, rng = a_volume(angles), np.random.default_rng(random_seed)
    labels = [[1] for _ in labels] if legacy else labels
    shape = tuple(n - f for n, f in zip(SHAPE, first[::-1], strict=True))
    layers = [rng.choice([0, 0, *values], shape).astype(dtype) for values in labels]
    for layer, values in zip(layers, labels, strict=True):
        layer.flat[: len(values) + 1] = [0, *values]  # none is empty, and Slicer takes one voxel for no image
    extent = " ".join(f"0 {n - 1}" for n in shape[::-1])
    keys = {"Segmentation_ReferenceImageExtentOffset": " ".join(map(str, first))}
    segments = [(layer, value) for layer, values in enumerate(labels) for value in dict.fromkeys(values)]
    for number, (layer, value) in enumerate(segments):
        field = f"Segment{number}_"
        keys |= {f"{field}ID": f"id{number}", f"{field}Name": names[number].replace("\\", "\\\\")}
        keys |= {f"{field}Extent": extent}
        keys |= {} if legacy else {f"{field}Layer": layer, f"{field}LabelValue": value}
    several = len(layers) > 1
    matrix = (np.eye(4) if ras else np.diag([-1.0, -1, 1, 1])) @ volume.ijk_to_ras
    directions = ["none"] * several + ["({},{},{})".format(*map(float, column)) for column in matrix[:3, :3].T]
    path = tmp_path / "seeds.seg.nrrd"
    path.write_bytes(
        seg_nrrd(
            np.stack(layers, axis=-1) if several else layers[0],
            {
                "space": "right-anterior-superior" if ras else "left-posterior-superior",
                "sizes": " ".join(map(str, [len(layers)] * several + list(shape[::-1]))),
                "space directions": " ".join(directions),
                "space origin": "({},{},{})".format(*map(float, (matrix @ (*first, 1))[:3])),
                "kinds": "list " * several + "domain domain domain",
            },
            keys,
        )
    )
    assert_read_alike(a_slicer_scene, path, volume)


@BOUNDED
@given(
    names=st.lists(names, min_size=1, max_size=5),
    density=st.floats(0.02, 0.6),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    random_seed=st.integers(0, 2**32 - 1),
)
def test_a_result_means_the_same_to_both(a_slicer_scene, tmp_path, names, density, angles, random_seed):
    """What this program writes, overlapping or not."""
    volume, rng = a_volume(angles, (1, 1, 1)), np.random.default_rng(random_seed)
    masks = [rng.random(SHAPE) < density for _ in names]
    masks[0].flat[:2] = True
    path = tmp_path / "result.seg.nrrd"
    write_segmentation(path, volume, [Segment(name, mask) for name, mask in zip(names, masks, strict=True)], {})
    assert_read_alike(a_slicer_scene, path, volume)
    for mask, segment in zip(masks, read_seeds(path, volume).values(), strict=True):
        np.testing.assert_array_equal(segment.mask, mask)
