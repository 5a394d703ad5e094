"""What a review computes, as generators that can be stepped and closed; and figures that it shows.

`of` is a `state.Finished`: the run whose result is reviewed.
"""

from dataclasses import replace

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegLib.propagation import Request, Settings, Sight
from SAM2VolumeSegLib.propagation.workload import work_again
from SAM2VolumeSegPanel.state import Finished


def masks(node, names, volumeNode):
    """Masks of segments by name, without deleted ones, one after the other: of a whole spine that takes seconds."""
    from SAM2VolumeSegLib.scene import masks_from_segments, segment_names

    found, there = {}, segment_names(node)
    for ID, name in names.items():
        if ID not in there:
            continue
        found |= masks_from_segments(node, {ID: name}, volumeNode)
        yield name
    return found


def reviewed(logic, of, check):
    """(Review of what is in the result's segments now, of an audit its comparison with what was propagated or None)."""
    from SAM2VolumeSegLib.review import compare_steps, review_steps

    volume = logic.volume(of.volumeNode)
    yield ""
    judged = yield from masks(of.node, of.request.names, of.volumeNode)
    review = yield from review_steps(volume, of.evidence, check, judged)
    if not of.isAudit:
        return review, None
    found = {name: own.found for name, own in of.evidence.segments.items()}
    return review, (yield from compare_steps(volume, judged, found))


def compared(logic, of, reference):
    """A comparison of the result with a reference."""
    from SAM2VolumeSegLib.review import compare_steps
    from SAM2VolumeSegLib.scene import segment_names

    judged = yield from masks(of.node, of.request.names, of.volumeNode)
    references = yield from masks(reference, segment_names(reference), of.volumeNode)
    return (yield from compare_steps(logic.volume(of.volumeNode), judged, references))


def checked(logic, of):
    """A self-check, with the model of the run.

    Raises:
        InputError: the model is another one: the run was in another session, with a file that is not chosen now.
    """
    from SAM2VolumeSegLib.review import self_check

    segmenter, made = logic.segmenter(of.choices), of.provenance["model"]
    if segmenter.tracker.checkpoint_sha256 != made["sha256"]:
        raise InputError(
            _(
                "The result was made by another model, \u201c{name}\u201d, and a self-check needs that one. Choose it, "
                "and load the scene again; or propagate again with the model that is chosen now."
            ).format(name=made["name"])
        )
    return (yield from self_check(of.request, of.evidence, segmenter.run_alike))


def audited(logic, node, volumeNode, choices):
    """A run on slices of a segmentation itself, a `Finished`."""
    from SAM2VolumeSegLib.review import Evidence, audit_seeds
    from SAM2VolumeSegLib.scene import segment_names

    volume, names = logic.volume(volumeNode), segment_names(node)
    own = yield from masks(node, {ID: ID for ID in names}, volumeNode)
    request = Request.of(volume, audit_seeds(own, volume), ch.settings_from(choices), names=names)
    segmenter = logic.segmenter(choices)
    result = yield from segmenter.run(request)
    evidence = Evidence.of(request, result)
    return Finished(node, volumeNode, request, evidence, result.provenance, choices, isAudit=True)


def restored(logic, node, volumeNode, choices):
    """The run that made a result, as far as the scene kept it, a `Finished`; None: it did not.

    Args:
        choices: those of now; model and input size are those of the run, where this program knows the model.

    Raises:
        InputError: what was kept cannot be used, or is about another CT.
    """
    from SAM2VolumeSegLib.scene import evidence_of, provenance_of

    evidence = evidence_of(node)
    if evidence is None:
        return None
    volume, made = logic.volume(volumeNode), provenance_of(node)
    evidence.check_about(volume)
    names = made["segment_ids"]
    seeds = {ID: evidence.segments[name].seeds(volume) for ID, name in names.items()}
    request = Request.of(volume, seeds, Settings.from_dict(made["settings"]), names=names)
    models, sizes = ({choice.value: choice for choice in kind} for kind in (ch.ModelChoice, ch.InputSize))
    model = models.get(made["model"]["name"], choices.model)
    size = sizes.get(made["model"]["image_size"], ch.InputSize.AUTO)  # another one is a model's own
    choices = replace(ch.copy_of(choices), model=model, inputSize=size)
    return Finished(node, volumeNode, request, evidence, made, choices)


def report(reviewing, of, reference):
    """A `report.Report` of a review; the result before it is shown beside it, where it is compared with."""
    from SAM2VolumeSegLib.report import Report
    from SAM2VolumeSegLib.scene import provenance_of

    earlier, before, made = reviewing.state.parameters.compared, {}, provenance_of(of.node)
    if earlier is not None and earlier is not of.node and provenance_of(earlier) is not None:
        before = yield from masks(earlier, of.request.names, of.volumeNode)
    sources = {_("CT"): of.volumeNode, _("segmentation"): of.node, _("reference"): reference}
    return Report(
        case=of.node.GetName(),
        volume=reviewing.volume,
        window=of.evidence.window,
        review=reviewing.review,
        verdicts=reviewing.verdicts,
        before=before,
        propagated=reviewing.propagated,
        reference=reviewing.comparison,
        done=table.what_was_done(reviewing.review, of.isAudit),
        sources={what: each.GetName() for what, each in sources.items() if each is not None and each.GetScene()},
        provenance={"result": made, "review": of.provenance} if made else {"review": of.provenance},
    )


def along(of, segment, plane):
    """Numbers of the slices of a segment that was reviewed, a `review.Along`."""
    from SAM2VolumeSegLib.review import Along

    return Along.of(of.request.volume, of.evidence.segments[segment.name], segment.errors.found, plane)


def isStillPainted(segmentID, found, request):
    """Whether some of what a run had of a segment is still painted, and on the same CT.

    Args:
        segmentID: of what is painted.
        found: what is painted now, a `state.Found`.
        request: of the run.
    """
    if segmentID not in request.seeds or found.volume is None or not request.is_about(found.volume):
        return False
    now = {(seed.plane, seed.index): seed.mask for seed in found.seeds.get(segmentID, ())}
    return any(
        (seed.mask & now[seed.plane, seed.index]).any()
        for seed in request.seeds[segmentID]
        if (seed.plane, seed.index) in now
    )


def seconds(logic, of, plan):
    """How long a self-check takes at most; None where that was not measured. Raises InputError."""
    from SAM2VolumeSegLib.review.self_check import SLAB_MM

    run = of.request
    speed = logic.remembered.timings().speed(plan.speedKey) if plan is not None and plan.isReady else None
    if speed is None:
        return None
    return speed.seconds(work_again(Sight(run.volume, run.seeds, run.settings, plan.imageSize), SLAB_MM))
