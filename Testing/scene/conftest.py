"""What the tests on real MRML share: volumes in any geometry, transforms, segments painted by Slicer's own means."""

from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.volume import Plane

SHAPE = (11, 13, 17)  # k, j, i: no two axes can be mistaken for each other


def _turned(degrees, axis):
    radians = np.radians(degrees)
    matrix = np.eye(4)
    a, b = [n for n in range(3) if n != axis]
    matrix[[a, b], [a, b]] = np.cos(radians)
    matrix[a, b], matrix[b, a] = -np.sin(radians), np.sin(radians)
    return matrix


def _geometry(directions, spacing=(1.0, 1.5, 2.5)):
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(directions, dtype=float).T * spacing
    matrix[:3, 3] = (-20.0, 30.0, 100.0)
    return matrix


R, A, S = np.eye(3)
GEOMETRIES = {
    "RAS": _geometry((R, A, S)),
    "LPS": _geometry((-R, -A, S)),
    "PIR": _geometry((-A, -S, R)),
    "left-handed": _geometry((-R, A, S)),
    "oblique": _turned(17, 0) @ _turned(12, 2) @ _geometry((-R, -A, S)),
}
TRANSFORMS = {
    "no transform": (False, False),
    "CT moved": (True, False),
    "segmentation moved": (False, True),
    "both moved": (True, True),
}
CT_MOVE = np.array([[1.0, 0, 0, 7.25], [0, 1, 0, -3.5], [0, 0, 1, 11], [0, 0, 0, 1]]) @ _turned(25, 1)
SEGMENTATION_MOVE = np.array([[1.0, 0, 0, -4], [0, 1, 0, 9], [0, 0, 1, 2.75], [0, 0, 0, 1]]) @ _turned(-40, 2)


class Nodes:
    """Makes nodes, and reads and writes segments without the code under test."""

    geometries, ct_move, segmentation_move, shape = GEOMETRIES, CT_MOVE, SEGMENTATION_MOVE, SHAPE

    def __init__(self, slicer):
        self.slicer = slicer
        self.scene = slicer.mrmlScene
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)  # the application always has one

    def transform(self, matrix):
        node = self.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "move")
        node.SetMatrixTransformToParent(self.slicer.util.vtkMatrixFromArray(matrix))
        return node

    def ct(self, voxels=None, geometry=GEOMETRIES["LPS"], move=None, name="CT"):
        if voxels is None:
            voxels = np.random.default_rng(0).integers(-1000, 2000, SHAPE).astype(np.int16)
        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        node.SetIJKToRASMatrix(self.slicer.util.vtkMatrixFromArray(geometry))
        self.slicer.util.updateVolumeFromArray(node, voxels)
        if move is not None:
            node.SetAndObserveTransformNodeID(self.transform(move).GetID())
        return node

    def segmentation(self, ct, move=None, names=("bone",)):
        """An empty segmentation as the Segment Editor sets it up; segment IDs are id_<name>."""
        node = self.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
        node.CreateDefaultDisplayNodes()
        if move is not None:
            node.SetAndObserveTransformNodeID(self.transform(move).GetID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
        node.SetSourceRepresentationToBinaryLabelmap()
        for name in names:
            node.GetSegmentation().AddEmptySegment(f"id_{name}", name)
        return node

    def case(self, geometry="LPS", transforms="no transform", names=("bone",)):
        """CT and empty segmentation."""
        ct_moved, segmentation_moved = TRANSFORMS[transforms]
        ct = self.ct(geometry=GEOMETRIES[geometry], move=CT_MOVE if ct_moved else None)
        return ct, self.segmentation(ct, SEGMENTATION_MOVE if segmentation_moved else None, names)

    def image(self, mask, matrix):
        import vtk
        import vtk.util.numpy_support as support

        image = self.slicer.vtkOrientedImageData()
        image.SetExtent(0, mask.shape[2] - 1, 0, mask.shape[1] - 1, 0, mask.shape[0] - 1)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        support.vtk_to_numpy(image.GetPointData().GetScalars())[:] = mask.ravel()
        image.SetGeometryFromImageToWorldMatrix(self.slicer.util.vtkMatrixFromArray(matrix))
        return image

    def paint(self, segmentation, segment_id, mask, ct):
        """Write a mask on the CT's grid with Slicer's own resampling between the parent transforms."""
        import vtk

        image = self.image(mask, self.matrix(ct))
        between, matrix = vtk.vtkTransform(), vtk.vtkMatrix4x4()
        # Not GetTransformBetweenNodes: what that gives for two parents counts as non-linear, and voxels are resampled.
        self.slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
            ct.GetParentTransformNode(), segmentation.GetParentTransformNode(), matrix
        )
        between.SetMatrix(matrix)
        self.slicer.vtkOrientedImageDataResample.TransformOrientedImage(image, between)
        self.paint_image(segmentation, segment_id, image)

    def paint_image(self, segmentation, segment_id, image):
        logic = self.slicer.vtkSlicerSegmentationsModuleLogic
        assert logic.SetBinaryLabelmapToSegment(image, segmentation, segment_id, logic.MODE_REPLACE)

    def mask(self, segmentation, segment_id, ct):
        """A segment on the CT's grid, by Slicer's own resampling.

        Not ``arrayFromSegmentBinaryLabelmap``, for the reason given in ``paint``.
        """
        import vtk
        import vtk.util.numpy_support as support

        shape = self.slicer.util.arrayFromVolume(ct).shape
        reference = self.image(np.zeros(shape, dtype=bool), self.matrix(ct))
        labelmap, result = self.slicer.vtkOrientedImageData(), self.slicer.vtkOrientedImageData()
        segmentation.GetBinaryLabelmapRepresentation(segment_id, labelmap)
        between, matrix = vtk.vtkTransform(), vtk.vtkMatrix4x4()
        self.slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
            segmentation.GetParentTransformNode(), ct.GetParentTransformNode(), matrix
        )
        between.SetMatrix(matrix)
        assert self.slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            labelmap, reference, result, False, False, between
        )
        return support.vtk_to_numpy(result.GetPointData().GetScalars()).reshape(shape) != 0

    def matrix(self, ct):
        import vtk

        matrix = vtk.vtkMatrix4x4()
        ct.GetIJKToRASMatrix(matrix)
        return self.slicer.util.arrayFromVTKMatrix(matrix)

    def editor(self, **settings):
        """The application's editor node, as a user sets it."""
        node = self.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode", "editor")
        for name, value in settings.items():
            getattr(node, f"Set{name}")(*value if isinstance(value, tuple) else (value,))
        return node

    def save_and_load(self, folder, *saved):
        """Save the scene with the data of these nodes, and load it again in place of what is there."""
        suffixes = {
            "vtkMRMLSegmentationStorageNode": ".seg.nrrd",
            "vtkMRMLTransformStorageNode": ".h5",
            "vtkMRMLVolumeArchetypeStorageNode": ".nrrd",
        }
        for node in saved:
            kind = node.GetDefaultStorageNodeClassName()
            storage = self.scene.AddNewNodeByClass(kind)
            storage.SetFileName(str(folder / f"{node.GetName()}{suffixes[kind]}"))
            node.SetAndObserveStorageNodeID(storage.GetID())
            assert storage.WriteData(node)
        self.scene.SetURL(str(folder / "scene.mrml"))
        self.scene.SetRootDirectory(str(folder))
        assert self.scene.Commit()
        self.scene.Clear()
        assert self.scene.Connect()

    def segment_state(self, segmentation):
        """Everything of a segmentation's segments that a user would miss."""
        result = {}
        for n in range(segmentation.GetSegmentation().GetNumberOfSegments()):
            segment_id = segmentation.GetSegmentation().GetNthSegmentID(n)
            segment = segmentation.GetSegmentation().GetSegment(segment_id)
            image = self.slicer.vtkOrientedImageData()
            segmentation.GetBinaryLabelmapRepresentation(segment_id, image)
            scalars = image.GetPointData().GetScalars()
            voxels = None
            if scalars is not None:
                import vtk.util.numpy_support as support

                voxels = int(np.count_nonzero(support.vtk_to_numpy(scalars)))
            result[segment_id] = (segment.GetName(), segment.GetColor(), voxels, image.GetOrigin())
        return result

    def ids(self):
        """Of all nodes in the scene."""
        return {self.scene.GetNthNode(n).GetID() for n in range(self.scene.GetNumberOfNodes())}


@pytest.fixture
def nodes(a_slicer_scene):
    return Nodes(a_slicer_scene)


@pytest.fixture
def shapes():
    """Three masks on the grid of ``nodes.ct()``: a ball, one that overlaps it, one that does not."""
    k, j, i = np.indices(SHAPE)
    ball = (k - 5) ** 2 + (j - 6) ** 2 + (i - 7) ** 2 <= 16
    overlapping = (k - 5) ** 2 + (j - 6) ** 2 + (i - 12) ** 2 <= 16
    apart = (k < 2) & (j < 3) & (i > 12)
    return SimpleNamespace(ball=ball, overlapping=overlapping, apart=apart)


@pytest.fixture
def cross(shapes):
    """The ball painted on one axial, one coronal and one sagittal slice of each grid, as [k, j, i]."""
    painted = np.zeros(SHAPE, dtype=bool)
    for axis, index in ((0, 5), (1, 6), (2, 7)):
        here = (slice(None),) * axis + (index,)
        painted[here] |= shapes.ball[here]
    return painted


@pytest.fixture(scope="session")
def segmenter():
    """One for all tests, so that each slice is encoded once."""
    from propagation_runs import SIZE

    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.propagation import Segmenter

    return Segmenter(SliceTracker.load(checkpoints.find("demo"), "cpu", SIZE))


@pytest.fixture
def painted(nodes, a_phantom):
    """CT and segmentation with two painted segments that have the same name, and one that is empty."""
    ct = nodes.ct(a_phantom.volume.voxels, a_phantom.volume.ijk_to_ras, name="phantom")
    segmentation = nodes.segmentation(ct, names=("middle", "below", "empty"))
    segmentation.GetSegmentation().GetSegment("id_middle").SetName("bone")
    segmentation.GetSegmentation().GetSegment("id_below").SetName("bone")
    for name, seeds in a_phantom.seeds(planes=(Plane.AXIAL, Plane.SAGITTAL), names=("middle", "below")).items():
        nodes.paint(segmentation, f"id_{name}", paint_seeds(seeds, a_phantom.volume), ct)
    return ct, segmentation


def pytest_generate_tests(metafunc):
    """``geometry`` and ``transforms`` as arguments run a test in all of them."""
    if "geometry" in metafunc.fixturenames:
        metafunc.parametrize("geometry", GEOMETRIES)
    if "transforms" in metafunc.fixturenames:
        metafunc.parametrize("transforms", TRANSFORMS)
