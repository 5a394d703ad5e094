"""Hidden module that registers the Segment Editor effect "SAM2 propagate"."""

import os

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class SegmentEditorSAM2Propagate(ScriptedLoadableModule):
    """Registers the effect when Slicer has started. Everything else is in the effect and in module SAM2VolumeSeg."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SAM2 propagate (Segment Editor effect)")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SAM2VolumeSeg"]
        self.parent.contributors = ["SAM2VolumeSeg Authors (SAM2VolumeSeg)"]
        self.parent.hidden = True
        self.parent.helpText = _(
            "This hidden module adds the effect SAM2 propagate to the Segment Editor: it carries the slices painted in"
            " the editor through the volume. Module SAM2VolumeSeg has all choices and shows the painted slices.",
        )
        self.parent.acknowledgementText = _(
            "After M. López Escoriza and P. Amargant Alvarez, arXiv:2603.23116, with SAM 2 by Meta.",
        )
        slicer.app.connect("startupCompleted()", self.registerEditorEffect)

    def registerEditorEffect(self):
        """Add the effect to the factory from which every Segment Editor takes its effects."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        instance = effects.qSlicerSegmentEditorScriptedEffect(None)
        source = os.path.join(os.path.dirname(__file__), "SegmentEditorSAM2PropagateLib", "SegmentEditorEffect.py")
        instance.setPythonSource(source.replace("\\", "/"))
        instance.self().register()
