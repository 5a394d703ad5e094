"""The choices of the panel, kept in the scene."""

from typing import Annotated, get_type_hints

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from SAM2VolumeSegLib.panel import choices as ch

LOWEST, HIGHEST = ch.LIMITS["windowLower"]  # HU, of what can be set as an intensity


def withChoices(cls):
    """Give a class the fields of `ch.Choices`: with their defaults, and numbers with their ranges."""
    for name, kind in get_type_hints(ch.Choices).items():
        cls.__annotations__[name] = Annotated[kind, WithinRange(*ch.LIMITS[name])] if name in ch.LIMITS else kind
        setattr(cls, name, getattr(ch.Choices, name))
    return cls


@parameterNodeWrapper
@withChoices
class SAM2VolumeSegParameterNode:
    """What the panel remembers: every choice of a run, and the fields below; a saved scene restores it.

    marksVolume, marksSegmentation: what `absent` and `skipped` belong to. suspectsSeen, suspectsDone: keys of suspects
    that the user went to, and ticked off. compared: what is shown as an outline over the result. showWindow: whether
    the slice views show what the model sees. reference: what the result is measured against. showErrors,
    showDistance: whether likely errors, and the distance to the reference, are coloured. plot: along which slices.
    keepEvidence: whether the scene keeps what a review needs. rangeLower, rangeUpper: HU.
    """

    volume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    result: vtkMRMLSegmentationNode
    compared: vtkMRMLSegmentationNode
    reference: vtkMRMLSegmentationNode
    absent: list[str]
    skipped: list[str]
    marksVolume: vtkMRMLScalarVolumeNode
    marksSegmentation: vtkMRMLSegmentationNode
    suspectsSeen: list[str]
    suspectsDone: list[str]
    showResult: bool = True
    showPainted: bool = True
    showCompared: bool = False
    showWindow: bool = False
    showErrors: bool = False
    showDistance: bool = False
    plot: ch.PlotAxis = ch.PlotAxis.NONE
    keepEvidence: bool = True
    scope: ch.Scope = ch.Scope.ALL
    target: ch.Target = ch.Target.NEW
    limitToRange: bool = False
    rangeLower: Annotated[float, WithinRange(LOWEST, HIGHEST)] = 150.0
    rangeUpper: Annotated[float, WithinRange(LOWEST, HIGHEST)] = 3000.0
    show3D: bool = True
