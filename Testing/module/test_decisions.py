"""What the panel decides without Qt: readiness, set-up, seed table, advice, estimate, choices."""

import os
from dataclasses import fields, replace
from enum import Enum

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import facts, readiness, setup
from SAM2VolumeSegLib.panel.advice import Quality, advise
from SAM2VolumeSegLib.panel.best_model import best_model
from SAM2VolumeSegLib.panel.finished import is_finished, longest_run
from SAM2VolumeSegLib.panel.presets import active_preset, preset_label, result_name
from SAM2VolumeSegLib.panel.seed_table import place_text, seed_rows, toggle_absent
from SAM2VolumeSegLib.propagation.choices import CHOICES, PRESETS
from SAM2VolumeSegLib.propagation.settings import RECOMMENDED
from SAM2VolumeSegLib.seeds import Marks, SeedSlice
from SAM2VolumeSegLib.volume import Plane, Volume

READY = readiness.Facts(
    python=(3, 12, 10), slicer=(5, 12, 3), torch="2.13.0+cpu", torch_extension=True, sam2="1.1.0", model_present=True
)

IOPATH = readiness.Package("iopath", "0.1.10", "iopath")


def a_ball(shape=(40, 40, 40), spacing=(1.0, 1.0, 1.0), flip=False):
    k, j, i = np.indices(shape)
    mask = ((k - 20) / 10) ** 2 + ((j - 20) / 8) ** 2 + ((i - 20) / 6) ** 2 <= 1
    matrix = np.diag([*spacing, 1.0])
    if flip:
        matrix[2] *= -1
    return Volume(np.where(mask, 500, 0).astype(np.int16), matrix, "ball"), mask


def seed(volume, mask, plane, index):
    return SeedSlice(plane, index, volume.view(plane).slice(mask, index).copy())


# ------------------------------------------------------------------------------------------------------------ readiness


def test_nothing_is_missing_when_everything_is_there():
    requirements = readiness.check(READY)
    assert requirements.are_met and requirements.headline == "Everything is ready."


@pytest.mark.parametrize(
    ("changes", "name", "words", "can_set_up"),
    [
        ({"slicer": (5, 8, 1), "python": (3, 9, 10)}, "a newer Slicer", "download.slicer.org", False),
        ({"torch": None}, "PyTorch", "Press Set up", True),
        ({"torch": None, "intel_mac": True}, "PyTorch", "Apple chip", False),
        ({"torch": "2.2.2", "intel_mac": True}, "a newer PyTorch", "Apple chip", False),
        ({"torch": "2.2.2"}, "a newer PyTorch", "PyTorch Utils", False),
        ({"sam2": None}, "sam2", "Press Set up", True),
        ({"sam2": "0.4.1"}, "a newer sam2", "Press Set up", True),
        ({"sam2": "1.0", "foreign_sam2": "/opt/Slicer/sam2"}, "the right sam2", "/opt/Slicer/sam2", False),
        ({"missing": (IOPATH,)}, "some small packages", "iopath", True),
        ({"model_present": False, "model_megabytes": 184.4}, "the model \u201csmall\u201d", "184 MB", False),
        ({"model_present": False, "model": "own"}, "the model file", "choose the file", False),
    ],
)
def test_each_missing_thing_has_its_own_sentence_and_way_out(changes, name, words, can_set_up):
    requirements = readiness.check(replace(READY, **changes))
    (missing,) = requirements.missing
    assert missing.name == name and name in requirements.headline
    assert words in missing.sentence and missing.sentence.endswith(".")
    assert (requirements.in_the_way is None and requirements.set_up_helps) is can_set_up


def test_several_missing_things_are_listed_in_the_order_in_which_they_are_met():
    requirements = readiness.check(replace(READY, torch=None, sam2=None, model_present=False))
    assert requirements.headline.startswith("Still missing: PyTorch, sam2 and the model \u201csmall\u201d.")


@pytest.mark.parametrize(
    ("text", "numbers"), [("2.13.0+cpu", (2, 13, 0)), ("2.6.0rc1", (2, 6, 0)), ("5.13", (5, 13)), (None, ()), ("x", ())]
)
def test_versions_compare_as_numbers(text, numbers):
    assert readiness.version_tuple(text) == numbers


def test_this_machine_is_found_to_be_ready_with_the_demo_model():
    requirements = readiness.check(facts.gather("5.12.3", ch.Choices(model=ch.ModelChoice.DEMO)))
    assert requirements.are_met, requirements.headline


def test_a_foreign_sam2_in_front_is_recognised(tmp_path, monkeypatch):
    import sys

    (tmp_path / "sam2").mkdir()
    (tmp_path / "sam2" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "sam2"]:
        monkeypatch.delitem(sys.modules, name)
    found = facts.gather("5.12", ch.Choices(model=ch.ModelChoice.DEMO))
    assert found.foreign_sam2 == str(tmp_path / "sam2")


# --------------------------------------------------------------------------------------------------------------- set up


class Tools:
    def __init__(self, fail=False):
        self.calls, self.fail = [], fail

    def install_torch(self, requirement):
        self.calls.append(("torch", requirement))

    def pip_install(self, arguments):
        if self.fail:
            raise OSError("no network")
        self.calls.append((*arguments, os.environ.get("SAM2_BUILD_CUDA")))


def test_set_up_installs_what_is_missing_in_order_and_nothing_that_slicer_ships(monkeypatch):
    monkeypatch.delenv("SAM2_BUILD_CUDA", raising=False)
    bare = replace(READY, torch=None, sam2=None, missing=facts.SMALL_PACKAGES)
    tools, seen = Tools(), []
    setup.install(setup.steps(bare, tools), lambda step: seen.append(step.name))
    assert tools.calls[0] == ("torch", ">=2.5.1")
    assert tools.calls[2] == ("--no-deps", "--no-build-isolation", "sam2==1.1.0", "0")
    assert len(seen) == 3 and "SAM2_BUILD_CUDA" not in os.environ
    text = " ".join(str(part) for call in tools.calls for part in call).lower()
    assert not any(name in text for name in ("numpy", "simpleitk", "torchvision"))


def test_the_question_says_what_how_large_and_from_where():
    bare = replace(READY, torch=None, sam2=None, missing=(IOPATH,))
    text = setup.question(setup.steps(bare, Tools()))
    for words in ("3 GB", "PyTorch extension", "sam2 1.1.0", "iopath", "Python Package Index", "not sent anywhere"):
        assert words in text


def test_a_failed_step_is_told_in_a_sentence_and_the_rest_is_not_tried():
    bare = replace(READY, sam2=None, missing=(IOPATH,))
    with pytest.raises(InputError, match=r"Small packages could not be installed.*internet"):
        setup.install(setup.steps(bare, Tools(fail=True)))


def test_what_slicer_has_shown_is_not_shown_again():
    class Shown(Tools):
        def pip_install(self, arguments):
            raise setup.ShownError("pip ended with 1")

    bare = replace(READY, sam2=None, missing=(IOPATH,))
    with pytest.raises(setup.ShownError, match=r"Small packages could not be installed.*internet"):
        setup.install(setup.steps(bare, Shown()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"torch": None, "torch_extension": False}, "Extensions Manager, install PyTorch"),
        ({"torch": None, "intel_mac": True}, "Intel version"),
        ({"can_install": False, "sam2": None}, "testing mode"),
        ({}, "installed already"),
        ({"sam2": None}, None),
    ],
)
def test_what_stands_in_the_way_is_told_before_anything_is_asked(changes, words):
    found = replace(READY, **changes)
    reason = setup.refusal(readiness.check(found), found)
    assert reason is None if words is None else words in reason


# ---------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("flip", [False, True])
def test_rows_go_from_bottom_to_top_whatever_the_storage_order(flip):
    volume, mask = a_ball(flip=flip)
    seeds = [seed(volume, mask, Plane.AXIAL, n) for n in (25, 15, 20)] + [seed(volume, mask, Plane.SAGITTAL, 20)]
    rows = seed_rows(seeds, volume, absent=[(Plane.AXIAL, 35)], skipped=[(Plane.AXIAL, 20)])
    axial = [row for row in rows if row.plane is Plane.AXIAL]
    assert [volume.view(Plane.AXIAL).position_mm(row.index) for row in axial] == sorted(
        volume.view(Plane.AXIAL).position_mm(row.index) for row in axial
    )
    by_index = {row.index: row for row in axial}
    assert by_index[35].absent and by_index[35].area == "absent here"
    assert not by_index[20].used and by_index[15].used
    assert rows[-1].plane is Plane.SAGITTAL and rows[-1].area == f"{mask[:, :, 20].sum()} mm²"


def test_positions_are_written_as_in_the_slice_views():
    """Slicer's bar has the letter of the direction in which its number grows, and a sign: "A: -0.7500mm"."""
    volume, _mask = a_ball(flip=True)
    assert place_text(volume, Plane.AXIAL, 12) == "S: -12.00mm"
    assert place_text(volume, Plane.CORONAL, 12) == "A: 12.00mm"
    assert place_text(volume, Plane.SAGITTAL, 12) == "L: -12.00mm"
    assert place_text(volume, Plane.AXIAL, 0) == "S: 0.00mm"


def test_marks_survive_a_scene_and_odd_names():
    volume, mask = a_ball()
    marks = Marks().switched("Segment:1;x", (Plane.AXIAL, 3), used=False)
    marks = toggle_absent(marks, "b", (Plane.CORONAL, 1), [seed(volume, mask, Plane.AXIAL, 20)], volume)
    again = Marks.from_strings(*marks.strings())
    assert again == Marks({"b": ((Plane.CORONAL, 1),)}, {"Segment:1;x": ((Plane.AXIAL, 3),)})
    assert Marks.from_strings(["nonsense", "axial:x:b", "axial:1:"], []).absent == {}


def test_a_painted_slice_cannot_be_marked_absent():
    volume, mask = a_ball()
    with pytest.raises(InputError, match="has paint of this segment"):
        toggle_absent(Marks(), "b", (Plane.AXIAL, 20), [seed(volume, mask, Plane.AXIAL, 20)], volume)


# --------------------------------------------------------------------------------------------------------------- advice


def test_advice_leads_from_one_slice_to_three_inside_on_every_axis():
    """One on each axis first, for that is most of what can be had; then a quarter and three quarters of the way."""
    volume, mask = a_ball()
    seeds, asked = [seed(volume, mask, Plane.AXIAL, 20)], []
    for _press in range(20):
        advice = advise(seeds, volume)
        if advice.next is None:
            break
        asked.append(advice.next)
        seeds.append(seed(volume, mask, *advice.next))
        assert not seeds[-1].absent  # who follows it never has to look for the structure
    assert len(asked) == 8 and advice.sentence == "As good as it gets: 3 axial, 3 coronal, 3 sagittal."
    assert advice.quality is Quality.BEST
    assert [plane for plane, _index in asked[:2]] == [Plane.SAGITTAL, Plane.CORONAL]
    for plane in Plane:
        inside = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != volume.view(plane).axis)))
        shares = sorted((s.index - inside[0]) / (inside[-1] - inside[0]) for s in seeds if s.plane is plane)
        np.testing.assert_allclose(shares, (0.25, 0.5, 0.75), atol=1.5 / (inside[-1] - inside[0]))  # whole slices


def test_the_longest_stretch_is_looked_for_to_the_ends_that_other_axes_show():
    volume, mask = a_ball()
    seeds = [seed(volume, mask, Plane.AXIAL, n) for n in (22, 26)]
    seeds += [seed(volume, mask, plane, 20) for plane in (Plane.CORONAL, Plane.CORONAL, Plane.SAGITTAL)]
    seeds += [seed(volume, mask, Plane.SAGITTAL, 24), seed(volume, mask, Plane.CORONAL, 24)]
    advice = advise(seeds, volume)
    assert advice.next == (Plane.AXIAL, 16)  # in the middle of what follows 10, the first slice
    assert advice.then == "Next: axial\u00a0S:\u00a016.00mm"


def test_a_slice_marked_absent_is_an_end():
    volume, mask = a_ball()
    absent = SeedSlice(Plane.AXIAL, 15, np.zeros_like(mask[15]))
    seeds = [seed(volume, mask, Plane.AXIAL, 20), absent]
    plane, index = advise(seeds, volume, [Plane.AXIAL]).next
    assert plane is Plane.AXIAL and index > 20


def test_on_one_axis_alone_the_structure_is_taken_to_be_as_long_as_it_is_wide():
    volume, mask = a_ball()
    plane, index = advise([seed(volume, mask, Plane.AXIAL, 20)], volume, [Plane.AXIAL]).next
    assert plane is Plane.AXIAL and index in (15, 16, 24, 25)


def test_where_the_last_result_is_likely_wrong_comes_next_once_each_axis_is_painted():
    """Measured: from three slices, the review's next three are worth more than those in the largest gaps."""
    volume, mask = a_ball()
    suggested = [(Plane.CORONAL, 20), (Plane.CORONAL, 13), (Plane.AXIAL, 27)]
    seeds = [seed(volume, mask, plane, 20) for plane in Plane]
    assert advise(seeds[:2], volume, suggested=suggested).next == (Plane.SAGITTAL, 20)
    advice = advise(seeds, volume, suggested=suggested)
    assert advice.next == (Plane.CORONAL, 13)  # the first of them that is not painted yet
    assert advice.then == "Next: coronal\u00a0A:\u00a013.00mm, likely wrong there"
    no_coronal = [seed(volume, mask, plane, 20) for plane in (Plane.AXIAL, Plane.SAGITTAL)]
    assert advise(no_coronal, volume, [Plane.AXIAL, Plane.SAGITTAL], suggested=suggested).next == (Plane.AXIAL, 27)
    nine = [seed(volume, mask, plane, n) for plane in Plane for n in (15, 20, 25)]
    assert advise(nine, volume).next is None
    advice = advise(nine, volume, suggested=suggested)
    assert advice.next == (Plane.CORONAL, 13) and advice.sentence == "Well painted: 3 axial, 3 coronal, 3 sagittal."


def test_a_slice_between_others_that_is_marked_absent_is_not_asked_for_again():
    """A rib leaves a slice and comes back: who says so must be sent somewhere else."""
    volume, mask = a_ball()
    seeds = [seed(volume, mask, Plane.AXIAL, n) for n in (12, 28)]
    first = advise(seeds, volume, [Plane.AXIAL]).next
    assert first == (Plane.AXIAL, 20)
    absent = SeedSlice(*first, np.zeros_like(mask[0]))
    assert advise([*seeds, absent], volume, [Plane.AXIAL]).next not in (first, None)


def test_axes_that_are_switched_off_are_not_asked_for():
    volume, mask = a_ball()
    seeds = [seed(volume, mask, Plane.AXIAL, n) for n in (11, 20, 29)]
    assert advise(seeds, volume, [Plane.AXIAL]).next is None
    assert advise(seeds, volume).next == (Plane.SAGITTAL, 20)


def test_nothing_painted_is_said():
    volume, _mask = a_ball()
    assert "Nothing is painted yet" in advise([], volume).sentence


def test_one_painted_slice_is_told_what_will_happen_and_what_comes_first():
    """In a real spine both neighbours leaked through all of it, and "A start" was all that was said."""
    volume, mask = a_ball()
    advice = advise([seed(volume, mask, Plane.AXIAL, 20)], volume)
    assert (
        advice.quality is Quality.POOR
        and "leak into neighbours" in advice.sentence
        and "neighbour that touches" in advice.reason
    )
    assert advice.then == "Paint first: sagittal\u00a0L:\u00a0-20.00mm"


def test_among_planes_with_as_few_slices_the_one_that_the_user_works_in_comes_first():
    volume, mask = a_ball()
    seeds = [seed(volume, mask, Plane.AXIAL, 20)]
    assert advise(seeds, volume, preferred=Plane.CORONAL).next == (Plane.CORONAL, 20)
    assert advise(seeds, volume, preferred=Plane.AXIAL).next[0] is Plane.SAGITTAL  # the axial plane has one already


def test_a_finished_segmentation_is_recognised_and_a_well_painted_one_is_not():
    volume, mask = a_ball()
    filled = [seed(volume, mask, Plane.AXIAL, n) for n in range(12, 26)]
    assert is_finished(filled) and longest_run(filled) == 14
    advice = advise(filled, volume)
    assert "looks finished" in advice.sentence and advice.next is None
    assert not is_finished([seed(volume, mask, plane, n) for plane in Plane for n in (14, 15, 16, 20, 21, 26)])
    absent = [SeedSlice(Plane.AXIAL, n, np.zeros_like(mask[0])) for n in range(20)]
    assert not is_finished(absent)


# -------------------------------------------------------------------------------------------------- model and presets


@pytest.mark.parametrize(
    ("stored", "remembered", "wanted"),
    [
        ((), None, "demo"),
        (("tiny", "large"), None, "large"),
        (("tiny", "small", "large"), None, "small"),
        (("tiny", "small"), "tiny", "tiny"),
        (("small",), "demo", "demo"),
        (("tiny",), "small", "tiny"),  # deleted since
    ],
)
def test_a_new_scene_begins_with_the_chosen_model_or_the_best_that_is_here(stored, remembered, wanted):
    assert best_model(stored, remembered).value == wanted


def test_the_active_preset_is_known_until_a_choice_is_changed():
    for preset in PRESETS:
        choices = ch.Choices(**ch.values_of(preset.settings))
        assert active_preset(choices) is preset and preset_label(choices) == preset.label
    assert preset_label(ch.Choices(recent=4)) == "Changed"
    assert preset_label(ch.Choices(window=ch.WindowChoice.LUNG)) == PRESETS[0].label  # the picture is no preset's


def test_a_result_is_named_by_its_preset_and_never_as_another():
    assert result_name("Seeds", "Recommended") == "Seeds (Recommended)"
    assert result_name("Seeds", "Recommended", ["Seeds (Recommended)"]) == "Seeds (Recommended) 2"


# -------------------------------------------------------------------------------------------------------------- choices


def test_the_panels_defaults_are_the_engines_recommendation():
    assert ch.settings_from(ch.Choices()) == RECOMMENDED


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_sets_in_the_panel_what_it_sets_in_the_engine(preset):
    """Whatever was set before: here a choice of every kind that no preset has."""
    before = ch.Choices(axial=False, direction=ch.Direction.BACKWARD, stride=ch.Stride.FOURTH, gate=1, passes=2)
    assert ch.settings_from(replace(before, **ch.values_of(preset.settings))) == preset.settings


def test_a_saved_scene_finds_its_choices_again():
    """A scene holds the names of the members, not their labels."""
    stored = {
        ch.WindowChoice: {"BONE", "SOFT_TISSUE", "LUNG", "BRAIN", "DISPLAY", "BY_HAND", "WHOLE_RANGE"},
        ch.Direction: {"BOTH", "FORWARD", "BACKWARD"},
        ch.Fusion: {"NEARNESS", "MEAN"},
        ch.Embeddings: {"IS", "SAM2"},
        ch.Stride: {"EVERY", "SECOND", "FOURTH"},
    }
    for kind, names in stored.items():
        assert names <= set(kind.__members__)


RUN_CHOICES = [
    field.name
    for field in fields(ch.Choices)
    if field.name not in ("model", "ownCheckpoint", "ownArchitecture", "device", "inputSize")  # of the model, not a run
]


def another(value, name):
    """A value that a widget of the panel could have in place of `value`."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Enum):
        return next(one for one in type(value) if one is not value)
    low, high = ch.LIMITS[name]
    return type(value)(high if value == low or name == "windowUpper" else low)


@pytest.mark.parametrize("name", RUN_CHOICES)
def test_no_choice_of_the_panel_is_lost_on_the_way(name):
    """A new one that `settings_from` forgets would have a widget and no effect."""
    before = ch.Choices(window=ch.WindowChoice.BY_HAND, embeddings=ch.Embeddings.SAM2)
    after = replace(before, **{name: another(getattr(before, name), name)})
    assert ch.settings_from(after) != ch.settings_from(before)


@pytest.mark.parametrize("choice", [c for c in CHOICES if c.group != "sight"], ids=lambda choice: choice.field)
def test_no_choice_of_a_preset_is_lost_on_the_way(choice):
    """A new one that `values_of` forgets would stay as it was when the preset is pressed."""
    values = [value for value in choice.values if value != choice.default] or list(choice.limits)
    value = (Plane.AXIAL,) if choice.field == "planes" else next(v for v in values if v != choice.default)
    if choice.field.startswith("memory."):
        changes = {"embeddings": "sam2", choice.field.removeprefix("memory."): value}
        changed = replace(RECOMMENDED, memory=replace(RECOMMENDED.memory, **changes))
    else:
        changed = replace(RECOMMENDED, **{choice.field: value})
    assert ch.settings_from(ch.Choices(**ch.values_of(changed))) == changed


def test_every_choice_reaches_the_engine():
    chosen = ch.Choices(
        window=ch.WindowChoice.BY_HAND, windowLower=-50.0, windowUpper=700.0, sagittal=False, extend=False, radius=0.5,
        recent=1, embeddings=ch.Embeddings.SAM2, stride=ch.Stride.SECOND, gate=1, passes=2, clahe=True, marginMm=20.0,
        crop=ch.Crop.EACH, paceMm=3.0, direction=ch.Direction.BACKWARD, fusion=ch.Fusion.MEAN, dropIslands=False,
        edges=False,
    )  # fmt: skip
    settings = ch.settings_from(chosen)
    assert settings.window == (-50.0, 700.0) and settings.planes == (Plane.AXIAL, Plane.CORONAL)
    assert (settings.extend, settings.passes, settings.clahe, settings.margin_mm) == (False, 2, True, 20.0)
    assert settings.pace_mm == 3.0
    assert (settings.crop, settings.direction) == ("each", "backward")
    assert (settings.fusion, settings.drop_islands, settings.edges) == ("mean", False, False)
    assert (settings.memory.radius, settings.memory.recent, settings.memory.gate) == (0.5, 1, 1)
    assert (settings.memory.stride, settings.memory.embeddings) == (2, "sam2")


def test_a_model_of_your_own_is_found_or_told(tmp_path):
    with pytest.raises(InputError, match="no file is named"):
        ch.model_from(ch.Choices(model=ch.ModelChoice.OWN))
    path = tmp_path / "mine.pt"
    path.write_bytes(b"x")
    model = ch.model_from(ch.Choices(model=ch.ModelChoice.OWN, ownCheckpoint=path))
    assert model.name == "mine" and model.source.path == path


# ------------------------------------------------------------------------------------------------------------- messages


def test_the_panel_names_a_button_where_the_engine_names_a_command(tmp_path, monkeypatch):
    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.panel.messages import in_panel

    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    tiny = checkpoints.find("tiny")

    def problem():
        with pytest.raises(InputError) as caught:
            checkpoints.verify(tiny)
        return caught.value

    missing = problem()
    assert "sam2-volume-seg checkpoints fetch tiny" in str(missing)
    assert in_panel(missing).startswith("The model 'tiny' is not on this machine. Press Download")
    checkpoints.path_in_store(tiny).write_bytes(b"half of it")
    damaged = problem()
    assert "checkpoints delete tiny" in str(damaged) and "press Delete under Set up and models" in in_panel(damaged)
    gone = replace(checkpoints.find("demo"), source=checkpoints.LocalFile(tmp_path / "demo.pt", bundled=True))
    with pytest.raises(InputError) as caught:
        checkpoints.path_of(gone)
    assert "install the extension again" in in_panel(caught.value)
    assert "sam2-volume-seg" not in "".join(in_panel(error) for error in (missing, damaged, caught.value))
    assert in_panel(InputError("Something else.")) == "Something else."
