"""The choices of the panel, kept in the scene."""

from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from SAM2VolumeSegLib.panel import choices as ch

LOWEST, HIGHEST = -32768, 65535  # of what can be set as an intensity


@parameterNodeWrapper
class SAM2VolumeSegParameterNode:
    """Every choice of the panel; a saved scene restores it. Most names and defaults are those of `choices.Choices`.

    marksVolume, marksSegmentation: what `absent` and `skipped` belong to. showWindow: whether the slice views show what
    the model sees.
    """

    volume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    result: vtkMRMLSegmentationNode
    absent: list[str]
    skipped: list[str]
    marksVolume: vtkMRMLScalarVolumeNode
    marksSegmentation: vtkMRMLSegmentationNode
    view: ch.ViewChoice = ch.ViewChoice.RED
    window: ch.WindowChoice = ch.WindowChoice.BONE
    windowLower: Annotated[float, WithinRange(LOWEST, HIGHEST)] = -100.0
    windowUpper: Annotated[float, WithinRange(LOWEST, HIGHEST)] = 900.0
    showWindow: bool = False
    scope: ch.Scope = ch.Scope.ALL
    target: ch.Target = ch.Target.NEW
    limitToRange: bool = False
    rangeLower: Annotated[float, WithinRange(LOWEST, HIGHEST)] = 150.0
    rangeUpper: Annotated[float, WithinRange(LOWEST, HIGHEST)] = 3000.0
    show3D: bool = True
    model: ch.ModelChoice = ch.ModelChoice.SMALL
    ownCheckpoint: Path
    ownArchitecture: ch.Architecture = ch.Architecture.TINY
    device: ch.Device = ch.Device.AUTO
    inputSize: ch.InputSize = ch.InputSize.AUTO
    axial: bool = True
    coronal: bool = True
    sagittal: bool = True
    direction: ch.Direction = ch.Choices.direction
    fusion: ch.Fusion = ch.Choices.fusion
    dropIslands: bool = True
    extend: bool = False
    marginMm: Annotated[float, WithinRange(0, 200)] = 15.0
    cropEach: bool = False
    clahe: bool = False
    keepAllSeeds: bool = False
    radius: Annotated[float, WithinRange(0.1, 1.0)] = 0.3
    recent: Annotated[int, WithinRange(0, 6)] = 2
    embeddings: ch.Embeddings = ch.Embeddings.IS
    stride: ch.Stride = ch.Stride.EVERY
    gate: Annotated[int, WithinRange(0, 6)] = 0
    passes: Annotated[int, WithinRange(1, 2)] = 1
