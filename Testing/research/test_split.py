"""The draw: balanced, the same everywhere, never repeated; and what a damaged file does to it."""

import gzip
import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import SimpleITK as sitk
from cli_files import save_image
from dicom_files import upright, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from propagation_runs import finish

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.layouts import DataSet, LeftOut, open_data
from SAM2VolumeSegLib.research.data.structure import Candidate, Structure
from SAM2VolumeSegLib.research.study import split as split_module
from SAM2VolumeSegLib.research.study.split import Split, draw, drawn_once, read_split, write_split
from SAM2VolumeSegLib.volume import Plane

FEW = settings(max_examples=60, deadline=None)
RAS = np.diag([1.5, 1.5, 1.5, 1.0])


def drawn(folder, per_class=250, seed=0, classes=None) -> Split:
    return finish(draw(open_data(folder, classes), per_class, seed))[1]


def names_of(structures) -> list[str]:
    return [str(structure) for structure in structures]


def write_labelled(folder: Path, labels: np.ndarray, matrix=RAS, classes=None) -> Path:
    """One CT with a label volume and a class table with the values 1 and 2; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_image(folder / "a-ct.nrrd", np.zeros(labels.shape, np.int16), matrix)
    save_image(folder / "a-labels.nrrd", labels, matrix)
    classes = classes or {str(value): {"name": f"bone {value}", "bone": "Bone"} for value in (1, 2)}
    case = {"ct": "{case}-ct.nrrd", "labels": "{case}-labels.nrrd", "table": "t"}
    table = {"format": 1, "data": "Test", "tables": {"t": classes}, "cases": [case]}
    (folder / "classes.json").write_text(json.dumps(table))
    return folder


def some_labels(shape=(12, 6, 6)) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[1:9, 2, 2] = 1
    labels[2:11, 4, 4] = 2
    return labels


# ------------------------------------------------------------------------------------------------------------ balance


class Unread:
    """In place of the files of a draw: what is absent or damaged is said by the candidate's name."""

    def __init__(self, data):
        self.data = data

    def structure(self, candidate):
        if candidate.name.startswith("damaged"):
            raise InputError(f"{candidate.name} cannot be read")
        if candidate.name.startswith("absent"):
            return None
        return Structure(**vars(candidate), ct_sha256="c", mask_sha256="m")

    def unknown(self):
        return []


candidates = st.lists(
    st.builds(
        lambda case, kind, number, bone: Candidate(f"s{case:04}", f"{kind} {number}", bone, "ct", "mask", None),
        st.integers(0, 30),
        st.sampled_from(["whole", "whole", "absent", "damaged"]),
        st.integers(0, 3),
        st.sampled_from(["Vertebrae", "Rib", "Hip", "Other"]),
    ),
    unique_by=lambda one: (one.case, one.name),
    max_size=40,
).filter(lambda found: any(one.name.startswith("whole") for one in found))


def draw_unread(found, per_class, seed) -> tuple[list, Split]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_module, "_Files", Unread)
        return finish(draw(DataSet(Path("data"), "Test", tuple(found), {}, ()), per_class, seed))


@FEW
@given(candidates, st.integers(1, 6), st.integers(0, 5))
def test_a_draw_is_balanced_as_far_as_there_are_structures(found, per_class, seed):
    """As many of each class as asked for, or all; what is unusable is replaced by the next of its class."""
    _, split = draw_unread(found, per_class, seed)
    usable = Counter(one.bone for one in found if one.name.startswith("whole"))
    assert split.counts == {bone: min(count, per_class) for bone, count in usable.items()}
    assert len(set(names_of(split.structures))) == len(split.structures)
    assert {one.reason for one in split.left_out} <= {f"{one.name} cannot be read" for one in found}


@FEW
@given(candidates, st.integers(1, 6), st.integers(0, 5))
def test_the_beginning_of_a_split_is_balanced_too(found, per_class, seed):
    """`--cases N` takes the first N: no class may be ahead of another that still has structures."""
    _, split = draw_unread(found, per_class, seed)
    for end in range(1, len(split.structures) + 1):
        counted = Counter(structure.bone for structure in split.first(end))
        later = {structure.bone for structure in split.structures[end:]}
        assert all(max(counted.values()) - counted[bone] <= 1 for bone in later)


@FEW
@given(candidates, st.integers(1, 6), st.integers(0, 5), st.randoms())
def test_the_order_of_the_folder_does_not_matter(found, per_class, seed, random):
    _, split = draw_unread(found, per_class, seed)
    random.shuffle(found)
    assert draw_unread(found, per_class, seed)[1].structures == split.structures


@FEW
@given(candidates, st.integers(1, 4), st.integers(0, 5))
def test_a_smaller_draw_is_the_beginning_of_a_larger_one(found, per_class, seed):
    """The paper's 500 are 50 of each class, its 2,500 are 250: those of the 500 need not be computed again."""
    _, small = draw_unread(found, per_class, seed)
    _, large = draw_unread(found, per_class + 2, seed)
    most = min(Counter(one.bone for one in found if one.name.startswith("whole")).values())
    begin = len(small.counts) * min(per_class, most)
    assert large.structures[:begin] == small.structures[:begin]
    assert set(small.structures) <= set(large.structures)


@FEW
@given(candidates, st.integers(1, 6), st.integers(0, 5), st.data())
def test_cases_that_come_later_do_not_change_the_order_of_the_others(found, per_class, seed, data):
    """A copy that was incomplete when another laboratory drew from it still agrees with the whole one."""
    _, whole = draw_unread(found, 100, seed)
    missing = data.draw(st.sampled_from(sorted({one.case for one in found})))
    rest = [one for one in found if one.case != missing]
    if any(one.name.startswith("whole") for one in rest):
        expected = [structure for structure in whole.structures if structure.case != missing]
        for bone in {structure.bone for structure in expected}:
            ours = [one for one in draw_unread(rest, 100, seed)[1].structures if one.bone == bone]
            assert ours == [structure for structure in expected if structure.bone == bone]


@FEW
@given(candidates, st.integers(1, 6))
def test_progress_counts_up_to_what_is_drawn(found, per_class):
    steps, split = draw_unread(found, per_class, 0)
    assert [step.looked_at for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.drawn <= step.total for step in steps)
    assert all(before.drawn <= after.drawn for before, after in zip(steps, steps[1:], strict=False))
    assert steps[-1].drawn == steps[-1].total == len(split.structures)


def test_another_seed_is_another_draw():
    found = [Candidate(f"s{case:04}", "whole", "Hip", "ct", "mask", None) for case in range(50)]
    orders = {tuple(names_of(draw_unread(found, 20, seed)[1].structures)) for seed in range(5)}
    assert len(orders) == 5
    # A split is a promise between machines and versions of Python: this one is what it was when this was written.
    assert names_of(draw_unread(found, 3, 0)[1].structures) == ["s0021 whole", "s0015 whole", "s0019 whole"]


# -------------------------------------------------------------------------------------------------------- real files


def test_every_structure_that_is_drawn_can_be_loaded(a_totalsegmentator_folder, a_phantom_folder):
    for folder in (a_totalsegmentator_folder, a_phantom_folder):
        for structure in drawn(folder).structures:
            volume, mask = structure.load(folder)
            slices = np.moveaxis(mask, volume.view(Plane.AXIAL).axis, 0).any(axis=(1, 2)).sum()
            assert slices > 6
            for file, digest in ((structure.ct, structure.ct_sha256), (structure.mask, structure.mask_sha256)):
                assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest


def test_small_and_absent_structures_are_not_drawn(a_totalsegmentator_folder):
    split = drawn(a_totalsegmentator_folder)
    assert split.counts == {"Vertebrae": 5, "Rib": 4, "Humerus": 1, "Scapula": 2, "Femur": 2, "Skull": 1}
    assert split.absent == 4  # the empty masks of the sternum
    assert [(one.case, one.structure) for one in split.left_out] == [("s0004", "vertebrae_L5")]
    assert split.reasons() == ["s0004 vertebrae_L5: on 1 axial slices, and more than 6 are needed"]
    assert split.data == "TotalSegmentator v2"


@pytest.mark.parametrize("count", [6, 7])
@pytest.mark.parametrize("axial", [0, 1, 2])
def test_axial_slices_are_counted_along_the_patients_axis(tmp_path, axial, count):
    """Six are too few, seven are not, in whatever order a CT is stored. Along the other axes the bone is longer."""
    labels = np.zeros((14, 14, 14), np.uint8)
    box = [slice(1, 13)] * 3
    box[axial] = slice(3, 3 + count)
    labels[tuple(box)] = 2
    matrix = np.eye(4)
    # IJK axis of S is 2 - axial; a permutation that puts S there.
    order = {2: [2, 0, 1], 1: [0, 2, 1], 0: [0, 1, 2]}[axial]
    matrix[:3, :3] = np.eye(3)[:, order]
    folder = write_labelled(tmp_path, labels, matrix)
    if count > 6:
        assert names_of(drawn(folder).structures) == ["a bone 2"]
    else:
        with pytest.raises(InputError, match="a bone 2: on 6 axial slices, and more than 6 are needed"):
            drawn(folder)


def test_only_what_is_drawn_is_read_and_a_ct_once(a_totalsegmentator_folder, monkeypatch):
    """76,000 masks and 1,228 CTs: reading them all would take days of a file server."""
    read = []
    read_volume = split_module.read_volume
    monkeypatch.setattr(split_module, "read_volume", lambda path: read.append(path.name) or read_volume(path))
    data = open_data(a_totalsegmentator_folder)
    steps, split = finish(draw(data, per_class=1))
    masks = [name for name in read if name != "ct.nii.gz"]
    assert len(masks) == len(steps) < len(data.candidates)
    assert read.count("ct.nii.gz") == len({structure.case for structure in split.structures})
    read.clear()
    finish(draw(data))
    assert read.count("ct.nii.gz") == 4


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_damaged_files_are_left_out_and_the_draw_goes_on(a_totalsegmentator_folder, data):
    """One broken download among thousands of files must not cost the study."""
    whole = drawn(a_totalsegmentator_folder).structures
    files = sorted({file for one in whole for file in (one.ct, one.mask)})
    damage = st.dictionaries(
        st.sampled_from(files), st.sampled_from(["missing", "empty", "cut", "altered"]), min_size=1, max_size=3
    )
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "data"
        shutil.copytree(a_totalsegmentator_folder, folder)
        for file, how in (damaged := data.draw(damage)).items():
            path = folder / file
            content = path.read_bytes()
            path.unlink()
            if how != "missing":
                end = data.draw(st.integers(10, len(content) - 1))
                altered = content[:end] + bytes([content[end] ^ 255]) + content[end + 1 :]
                path.write_bytes({"empty": b"", "cut": content[:end], "altered": altered}[how])
        split = drawn(folder)
        told = {f"{one.case} {one.structure}".strip(): one.reason for one in split.left_out}
    bad = {one for one in whole if {one.ct, one.mask} & set(damaged)}
    assert set(split.structures) == set(whole) - bad
    for one in bad:
        if damaged.get(one.mask) != "missing":  # then it is no candidate at all
            assert str(one) in told or one.case in told
    assert not any(temporary in reason for reason in told.values())  # a split may be published


def test_labels_on_another_grid_are_left_out(tmp_path, a_totalsegmentator_folder):
    folder = tmp_path / "data"
    shutil.copytree(a_totalsegmentator_folder, folder)
    moved = np.diag([-1.5, -1.5, 1.5, 1.0])
    moved[2, 3] = 4.5
    masks = folder / "s0011" / "segmentations"
    save_image(masks / "femur_left.nii.gz", np.ones((28, 28, 28), np.uint8), moved)
    save_image(masks / "femur_right.nii.gz", np.ones((28, 28, 30), np.uint8), moved)
    split = drawn(folder)
    assert {one.structure: one.reason for one in split.left_out if one.case == "s0011"} == {
        "femur_left": "CT and labels are on different grids: corners are up to 3.0 voxels apart",
        "femur_right": "CT and labels are on different grids: 28 x 28 x 28 and 30 x 28 x 28 voxels",
    }
    assert "humerus_left" in {one.name for one in split.structures}


def test_labels_that_a_table_does_not_know_are_reported(tmp_path):
    labels = some_labels()
    labels[3:10, 0, 0] = 9
    folder = write_labelled(tmp_path, labels)
    split = drawn(folder)
    assert sorted(names_of(split.structures)) == ["a bone 1", "a bone 2"]
    assert split.left_out == (LeftOut("a", "label 9", "the class table does not know this value"),)
    known = {"1": {"name": "bone 1", "bone": "Bone"}, "2": None, "9": None}
    split = drawn(write_labelled(tmp_path, labels, classes=known))
    assert names_of(split.structures) == ["a bone 1"] and split.left_out == ()


def test_an_entry_of_a_table_that_no_label_volume_has_is_reported(tmp_path):
    """A wrong number in a class table would else leave a class empty without a word."""
    classes = {value: {"name": f"bone {value}", "bone": "Bone"} for value in ("1", "2", "200")}
    split = drawn(write_labelled(tmp_path, some_labels(), classes=classes))
    assert split.left_out == (LeftOut("all", "bone 200", "no label volume has the value 200 of the class table"),)
    # A second case has it, so it is merely not in the first.
    save_image(tmp_path / "b-ct.nrrd", np.zeros((12, 6, 6), np.int16), RAS)
    save_image(tmp_path / "b-labels.nrrd", some_labels() * 100, RAS)
    split = drawn(tmp_path)
    assert "b bone 200" in names_of(split.structures)
    assert {(one.case, one.structure) for one in split.left_out} == {("b", "label 100")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels * 0.5, "not a label image"),
        (lambda labels: labels.astype(np.int16) * -1, "not a label image"),
        (lambda labels: labels.astype(np.float32), None),  # VerSe's labels are floats
        (lambda labels: np.arange(labels.size, dtype=np.int16).reshape(labels.shape), "at most 255"),
    ],
)
def test_label_volumes_of_every_type(tmp_path, change, message):
    folder = write_labelled(tmp_path, change(some_labels()).astype(change(some_labels()).dtype))
    if message:
        with pytest.raises(InputError, match=f"No structure is left.*{message}"):
            drawn(folder)
    else:
        structure = drawn(folder).structures[0]
        assert structure.load(folder)[1].sum() == (some_labels() == structure.label).sum()


def test_no_structure_left(tmp_path, a_totalsegmentator_folder):
    """And the reasons are said, those that many share once."""
    folder = tmp_path / "data"
    shutil.copytree(a_totalsegmentator_folder, folder)
    for path in folder.glob("*/ct.nii.gz"):
        path.write_bytes(gzip.compress(b"no image"))
    with pytest.raises(InputError, match=r"No structure is left in .*3 such as s0011 \S+: .*cannot be read"):
        drawn(folder)
    with pytest.raises(InputError, match="0 structures per class are none"):
        drawn(a_totalsegmentator_folder, 0)
    empty = write_labelled(tmp_path / "empty", np.zeros((12, 6, 6), np.uint8))
    with pytest.raises(InputError, match="No structure is left.*no label volume has the value 1"):
        drawn(empty)


# ------------------------------------------------------------------------------------------------------- split files


def test_a_split_is_drawn_once(a_totalsegmentator_folder, tmp_path):
    data = open_data(a_totalsegmentator_folder)
    steps, split = finish(drawn_once(tmp_path / "results", data, 2, 7))
    written = (tmp_path / "results" / "split.json").read_bytes()
    assert steps and (split.per_class, split.seed) == (2, 7)
    for arguments in ((), (2,), (2, 7)):
        assert finish(drawn_once(tmp_path / "results", data, *arguments)) == ([], split)
    for arguments in ((3, 7), (2, 8), (None, 0)):
        with pytest.raises(InputError, match=r"never drawn again: give the same, or another folder"):
            finish(drawn_once(tmp_path / "results", data, *arguments))
    other = replace(data, description="TotalSegmentator v1")
    with pytest.raises(InputError, match=r"drawn from TotalSegmentator v2 with 2 per class and seed 7, not from Total"):
        finish(drawn_once(tmp_path / "results", other))
    assert (tmp_path / "results" / "split.json").read_bytes() == written
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["split.json"]


def test_without_arguments_a_draw_is_the_papers(a_phantom_folder, tmp_path):
    split = finish(drawn_once(tmp_path, open_data(a_phantom_folder)))[1]
    assert (split.per_class, split.seed) == (250, 0)


def test_a_split_file_holds_all(a_split, tmp_path):
    left_out = (LeftOut("s0001", "", "there is no file s0001/ct.nii.gz"), LeftOut("s0002", "skull", "Ärger"))
    split = replace(a_split, left_out=left_out)
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split
    content = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert content["format"] == 1 and content["data"] == "TotalSegmentator v2" and content["counts"]["Vertebrae"] == 2
    assert content["structures"][0] == split.structures[0].to_dict()
    with pytest.raises(InputError, match="exists already, and a split is never drawn again"):
        write_split(tmp_path / "split.json", a_split)
    assert read_split(tmp_path / "split.json") == split
    assert len(list(tmp_path.iterdir())) == 1


def test_a_draw_that_is_stopped_leaves_no_split(a_totalsegmentator_folder, tmp_path):
    run = drawn_once(tmp_path / "results", open_data(a_totalsegmentator_folder))
    next(run)
    run.close()
    assert not (tmp_path / "results").exists()


def test_a_place_that_cannot_be_written(a_split, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        write_split(tmp_path / "taken" / "split.json", a_split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": "Test", "structures": []}, r"of an older format \(0, and this version reads 1\)"),
        ({"format": 2}, r"of a newer format \(2, and"),
        ({"format": 1, "data": "Test"}, "is damaged"),
        (
            {"format": 1, "data": "x", "seed": 0, "per_class": 1, "absent": 0, "left_out": [], "structures": []},
            "damaged",
        ),
        ([], "is damaged"),
        (None, "is damaged"),
    ],
)
def test_split_files_of_other_formats(tmp_path, content, message):
    (tmp_path / "split.json").write_text("{" if content is None else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_split(tmp_path / "split.json")
    assert "split.json" in str(caught.value)
    with pytest.raises(InputError, match=r"no split file .* sam2-volume-seg study draw"):
        read_split(tmp_path / "absent.json")


def test_structures_that_were_changed_by_hand(tmp_path, a_split):
    write_split(tmp_path / "split.json", a_split)
    content = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    del content["structures"][0]["mask_sha256"]
    (tmp_path / "split.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is damaged"):
        read_split(tmp_path / "split.json")


def test_the_first_cases(a_split):
    assert a_split.first(None) == a_split.structures == a_split.first(1000)
    assert a_split.first(3) == a_split.structures[:3]
    with pytest.raises(InputError, match="0 cases are none"):
        a_split.first(0)


def test_the_shared_data_give_whole_bones(shared_data):
    """Every value of the packaged table is in its label volume, and none is unknown."""
    split = drawn(shared_data, classes="shared")
    assert split.counts == {"Vertebrae": 14, "Rib": 11, "Hip": 2, "Femur": 2, "Sacrum": 1}
    assert [one.structure for one in split.left_out] == ["T11", "rib right 7"]
    assert split.absent == 0


# --------------------------------------------------------------------------------------- CTs and labels as they come


@pytest.mark.parametrize("code", ["LPS", "RAI", "PIR", "ASL"])
def test_labels_stored_in_another_order_than_the_ct_are_its_voxels(tmp_path, code):
    """Many programs reorient what they write; the study left such labels out as another grid."""
    folder = write_labelled(tmp_path, some_labels())
    labels = sitk.DICOMOrient(sitk.ReadImage(str(folder / "a-labels.nrrd")), code)
    sitk.WriteImage(labels[:, :, 1:] if code == "ASL" else labels, str(folder / "a-labels.nrrd"))  # also cropped
    split = drawn(folder)
    assert sorted(names_of(split.structures)) == ["a bone 1", "a bone 2"] and not split.left_out
    for structure in split.structures:
        np.testing.assert_array_equal(structure.load(folder)[1], some_labels() == structure.label)


def test_a_ct_may_be_a_folder_of_dicom(tmp_path, capsys):
    """Who has a hospital's CTs had to convert them first."""
    folder = write_labelled(tmp_path / "data", some_labels())
    labels, table = folder / "a-labels.nrrd", folder / "classes.json"
    voxels = write_series(folder / "a", "1.2.3.5", upright(12), voxels=np.zeros((12, 16, 16), np.int16))
    matrix = np.diag([-0.5, -0.75, 2.0, 1.0])
    matrix[:3, 3] = 10, 20, 100
    mask = np.zeros(voxels.shape, np.uint8)
    mask[1:10, 3:12, 4:13] = 2
    save_image(labels, mask, matrix)
    table.write_text(table.read_text().replace("{case}-ct.nrrd", "{case}"))
    (structure,) = drawn(folder).structures
    volume, reference = structure.load(folder)
    np.testing.assert_array_equal(volume.voxels, voxels)
    np.testing.assert_array_equal(reference, mask == 2)

    command = ["study", "run", "input-size", "--data", str(folder), "--results", str(tmp_path / "results")]
    command += ["--model", "demo", "--device", "cpu", "--quiet"]
    (tmp_path / "results").mkdir()
    assert cli.main(["study", "draw", str(tmp_path / "results"), "--data", str(folder)]) == 0
    first = sorted((folder / "a").iterdir())[0]
    first.write_bytes(first.read_bytes() + b"\0\0")
    capsys.readouterr()
    assert cli.main(command) == 1
    assert '"a" of a bone 2 has changed since the split was drawn' in capsys.readouterr().out
