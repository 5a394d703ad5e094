"""What a review computes, as generators that can be stepped and closed; and figures that it shows.

`of` is a `state.Finished`: the run whose result is reviewed.
"""

from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegLib.propagation import Request, Sight
from SAM2VolumeSegLib.propagation.workload import work_again


def masks(node, names, volumeNode):
    """Masks of segments by name, one after the other: of a whole spine that takes seconds."""
    from SAM2VolumeSegLib.scene import masks_from_segments

    found = {}
    for ID, name in names.items():
        found |= masks_from_segments(node, {ID: name}, volumeNode)
        yield name
    return found


def reviewed(logic, of, check):
    """(Review of what is in the result's segments now, of an audit its comparison with what was propagated or None)."""
    from SAM2VolumeSegLib.review import Evidence, compare_steps, review_steps

    volume = logic.volume(of.volumeNode)
    evidence = Evidence.of(of.request, of.result)
    yield ""
    judged = yield from masks(of.node, of.request.names, of.volumeNode)
    review = yield from review_steps(volume, evidence, check, judged)
    if not of.isAudit:
        return review, None
    found = {name: own.found for name, own in of.result.segments.items()}
    return review, (yield from compare_steps(volume, judged, found))


def compared(logic, of, reference):
    """A comparison of the result with a reference."""
    from SAM2VolumeSegLib.review import compare_steps
    from SAM2VolumeSegLib.scene import segment_names

    judged = yield from masks(of.node, of.request.names, of.volumeNode)
    references = yield from masks(reference, segment_names(reference), of.volumeNode)
    return (yield from compare_steps(logic.volume(of.volumeNode), judged, references))


def checked(logic, of):
    """A self-check, with the model of the run."""
    from SAM2VolumeSegLib.review import self_check

    segmenter = logic.segmenter(of.choices)
    return (yield from self_check(of.request, of.result, segmenter.run_alike))


def audited(logic, node, volumeNode, choices):
    """(Request, result) of a run on slices of a segmentation itself."""
    from SAM2VolumeSegLib.review import audit_seeds
    from SAM2VolumeSegLib.scene import segment_names

    volume, names = logic.volume(volumeNode), segment_names(node)
    own = yield from masks(node, {ID: ID for ID in names}, volumeNode)
    request = Request.of(volume, audit_seeds(own, volume), ch.settings_from(choices), names=names)
    segmenter = logic.segmenter(choices)
    return request, (yield from segmenter.run(request))


def report(reviewing, of, reference):
    """A `report.Report` of a review; the result before it is shown beside it, where it is compared with."""
    from SAM2VolumeSegLib.report import Report
    from SAM2VolumeSegLib.scene import provenance_of
    from SAM2VolumeSegLib.volume import Window

    earlier, before, made = reviewing.state.parameters.compared, {}, provenance_of(of.node)
    if earlier is not None and earlier is not of.node and provenance_of(earlier) is not None:
        before = yield from masks(earlier, of.request.names, of.volumeNode)
    sources = {_("CT"): of.volumeNode, _("segmentation"): of.node, _("reference"): reference}
    return Report(
        case=of.node.GetName(),
        volume=reviewing.volume,
        window=Window(*of.result.provenance["window_hu"]),
        review=reviewing.review,
        verdicts=reviewing.verdicts,
        before=before,
        propagated=reviewing.propagated,
        reference=reviewing.comparison,
        done=table.what_was_done(reviewing.review, of.isAudit),
        sources={what: each.GetName() for what, each in sources.items() if each is not None and each.GetScene()},
        provenance={"result": made, "review": of.result.provenance} if made else {"review": of.result.provenance},
    )


def along(of, segment, plane):
    """Numbers of the slices of a segment that was reviewed, a `review.Along`."""
    from SAM2VolumeSegLib.review import Along, SegmentEvidence

    evidence = SegmentEvidence.of(of.result.segments[segment.name], of.request.named_seeds[segment.name])
    return Along.of(of.request.volume, evidence, segment.errors.found, plane)


def seconds(logic, of, plan):
    """How long a self-check takes at most; None where that was not measured. Raises InputError."""
    from SAM2VolumeSegLib.review.self_check import SLAB_MM

    run = of.request
    speed = logic.remembered.timings().speed(plan.speedKey) if plan is not None and plan.isReady else None
    if speed is None:
        return None
    return speed.seconds(work_again(Sight(run.volume, run.seeds, run.settings, plan.imageSize), SLAB_MM))
