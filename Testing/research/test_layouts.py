"""Finding the structures in a data folder: every layout, and words for what is none."""

import json
import shutil
from pathlib import Path

import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.bones import BONES
from SAM2VolumeSegLib.research.data.class_table import LabelClass, read_class_table
from SAM2VolumeSegLib.research.data.layouts import data_folder, open_data
from SAM2VolumeSegLib.research.data.structure import Candidate


def touch(folder: Path, *files: str) -> Path:
    """Empty files: finding reads no voxels."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


def a_case(case: str, *names: str) -> list[str]:
    return [f"{case}/ct.nii.gz", *(f"{case}/segmentations/{name}.nii.gz" for name in names)]


def a_table(**changes) -> dict:
    table = {
        "format": 1,
        "data": "Our spines",
        "tables": {
            "new": {"20": {"name": "L1", "bone": "Vertebrae"}, "21": {"name": "L2", "bone": "Vertebrae"}, "5": None},
            "old": {"1": {"name": "L1", "bone": "Vertebrae"}},
        },
        "cases": [
            {"case": "b", "ct": "b/ct.nrrd", "labels": "b/old.nrrd", "table": "old"},
            {"ct": "{case}/ct.nrrd", "labels": "{case}/new.nrrd", "table": "new"},
        ],
    }
    return {**table, **changes}


def write_table(path: Path, table) -> Path:
    path.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
    return path


# --------------------------------------------------------------------------------------------------- TotalSegmentator


def test_bones_of_totalsegmentator_are_found_in_a_stable_order(tmp_path):
    """Organs, other files and other folders are none; the order is not that of the disk."""
    touch(tmp_path, *a_case("s1429", "vertebrae_S1", "liver", "rib_left_10"), *a_case("s0000", "skull", "hip_left"))
    touch(tmp_path, "meta.csv", "notes/ct.nii.gz", "s0000/segmentations/readme.txt", "s12/ct.nii.gz")
    found = open_data(tmp_path)
    assert [(one.case, one.name, one.bone) for one in found.candidates] == [
        ("s0000", "hip_left", "Hip"),
        ("s0000", "skull", "Skull"),
        ("s1429", "rib_left_10", "Rib"),
        ("s1429", "vertebrae_S1", "Vertebrae"),
    ]
    assert found.candidates[1] == Candidate(
        "s0000", "skull", "Skull", "s0000/ct.nii.gz", "s0000/segmentations/skull.nii.gz", None
    )
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("names", "version"),
    [
        ([name for names in BONES.values() for name in names], "TotalSegmentator v2"),
        (["vertebrae_L1", "femur_left", "face", "heart_atrium_left"], "TotalSegmentator v1"),
        (["vertebrae_L1", "femur_left"], "TotalSegmentator, version unknown"),
    ],
)
def test_the_version_is_told_from_the_masks(tmp_path, names, version):
    """A report says what it was measured on; version 1 lacks three of the paper's structures."""
    touch(tmp_path, *a_case("s0000", *names))
    assert open_data(tmp_path).description == version


def test_a_case_without_files_does_not_stop_the_others(tmp_path):
    touch(tmp_path, *a_case("s0000", "skull"), *a_case("s0001", "skull")[1:], *a_case("s0002", "liver"))
    found = open_data(tmp_path)
    assert [one.case for one in found.candidates] == ["s0000"]
    assert [(one.case, one.structure, one.reason) for one in found.left_out] == [
        ("s0001", "", "there is no file s0001/ct.nii.gz"),
        ("s0002", "", "there is no mask of a bone in s0002/segmentations"),
    ]


def test_another_layout_is_told_with_what_was_found_and_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r'There is no folder ".*absent"'):
        open_data(tmp_path / "absent")
    with pytest.raises(InputError, match="it has nothing in it. Expected are folders s0000/ct.nii.gz"):
        open_data(tmp_path)
    touch(tmp_path, "train/images/a.nii.gz", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt")
    expected = r"it has b.txt, c.txt, d.txt, e.txt and 2 more\. .*segmentations/\*\.nii\.gz.*classes\.json.*--classes"
    with pytest.raises(InputError, match=expected):
        open_data(tmp_path)
    with pytest.raises(InputError, match=r'b\.txt" is a file'):
        open_data(tmp_path / "b.txt")


def test_the_folder_above_or_below_is_pointed_at(tmp_path):
    touch(tmp_path / "Totalsegmentator_dataset", *a_case("s0000", "skull"))
    with pytest.raises(InputError, match='Its folder "Totalsegmentator_dataset" looks like one: give that'):
        open_data(tmp_path)
    with pytest.raises(InputError, match="This is a single case: give the folder above it"):
        open_data(tmp_path / "Totalsegmentator_dataset" / "s0000")


def test_no_case_of_totalsegmentator_can_be_used(tmp_path):
    touch(tmp_path, *a_case("s0000"), *a_case("s0001", "skull")[1:])
    with pytest.raises(InputError, match=r"No case .* s0000: there is no mask of a bone.*s0001: there is no file"):
        open_data(tmp_path)


# ------------------------------------------------------------------------------------------------ CT and label volume


def test_cases_by_pattern_and_by_name(tmp_path):
    """Numbering differs between cases of one folder; the first entry that fits a case decides."""
    touch(tmp_path, "b/ct.nrrd", "b/old.nrrd", "b/new.nrrd", "a/ct.nrrd", "a/new.nrrd", "c/d/ct.nrrd", "c/d/new.nrrd")
    write_table(tmp_path / "classes.json", a_table())
    found = open_data(tmp_path)
    assert found.description == "Our spines"
    assert [(one.case, one.name, one.mask, one.label) for one in found.candidates] == [
        ("a", "L1", "a/new.nrrd", 20),
        ("a", "L2", "a/new.nrrd", 21),
        ("b", "L1", "b/old.nrrd", 1),
    ]
    assert found.known == {"a/new.nrrd": {20, 21, 5}, "b/old.nrrd": {1}}


def test_a_table_from_elsewhere_comes_before_the_folders_own(tmp_path):
    touch(tmp_path, "b/ct.nrrd", "b/old.nrrd")
    write_table(tmp_path / "classes.json", "{")
    table = write_table(tmp_path / "mine.json", a_table())
    assert len(open_data(tmp_path, table).candidates) == 1


@pytest.mark.parametrize(
    ("ct", "file", "case"),
    [
        ("{case}_ct.nii.gz", "sub-1_ct.nii.gz", "sub-1"),
        ("raw/{case}/{case}_ct.nii.gz", "raw/7/7_ct.nii.gz", "7"),
        ("raw/{case}/{case}_ct.nii.gz", "raw/7/8_ct.nii.gz", None),
        ("[{case}]+.nrrd", "[a b]+.nrrd", "a b"),
        ("{case}.nrrd", "deep/a.nrrd", None),
    ],
)
def test_patterns_of_file_names(tmp_path, ct, file, case):
    """Signs that mean something to a shell or a regular expression are themselves."""
    touch(tmp_path, file, "other.txt")
    table = read_class_table(
        write_table(tmp_path / "t.json", a_table(cases=[{"ct": ct, "labels": "{case}_seg.nii.gz", "table": "new"}]))
    )
    assert [(one.case, one.ct, one.labels) for one in table.cases(tmp_path)] == (
        [(case, file, f"{case}_seg.nii.gz")] if case else []
    )


def test_labelled_cases_without_files(tmp_path):
    write_table(tmp_path / "classes.json", a_table())
    with pytest.raises(InputError, match=r'No case of the class table ".*classes.json" .*which has classes.json; exp'):
        open_data(touch(tmp_path))
    touch(tmp_path, "a/ct.nrrd", "a/new.nrrd", "c/ct.nrrd")
    assert [(one.case, one.reason) for one in open_data(tmp_path).left_out] == [
        ("b", "there is no file b/ct.nrrd"),
        ("c", "there is no file c/new.nrrd"),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "the file is not an object"),
        (a_table(format=2), '"format" is 2, and this program reads 1'),
        (a_table(data=""), '"data" is not a text'),
        (a_table(tables={}), '"tables" is not an object'),
        (a_table(tables={"new": {"L1": None}}), '"L1" in the table "new" is not a label'),
        (a_table(tables={"new": {"0": None}}), '"0" in the table "new" is not a label'),
        (a_table(tables={"new": {"1": "L1"}}), 'label 1 of the table "new" needs "name" and "bone"'),
        (a_table(tables={"new": {"1": {"name": "L1"}}}), 'label 1 of the table "new" needs "name" and "bone"'),
        (a_table(tables={"new": {"1": {"name": "L1", "bone": 3}}}), '"bone" of label 1 is not a text'),
        (
            a_table(tables={"new": {value: {"name": "L1", "bone": "Vertebrae"} for value in "12"}}),
            'the table "new" has the structure "L1" twice',
        ),
        (a_table(cases=[]), '"cases" is not a list with at least one entry'),
        (a_table(cases=["a"]), "an entry of cases is not an object"),
        (a_table(cases=[{"case": "a", "labels": "l.nrrd", "table": "new"}]), '"ct" of a case is not a text'),
        (
            a_table(cases=[{"case": "a", "ct": "c.nrrd", "labels": "l.nrrd", "table": "x"}]),
            'has the table "x", and there are only: new, old',
        ),
        (a_table(cases=[{"ct": "c.nrrd", "labels": "l.nrrd", "table": "new"}]), "needs either the name of its"),
        (a_table(cases=[{"ct": "{case}.nrrd", "labels": "l.nrrd", "table": "new"}]), "only if both have {case}"),
        (
            a_table(cases=[{"case": "a", "ct": "../c.nrrd", "labels": "l.nrrd", "table": "new"}]),
            r'"\.\./c\.nrrd" is not a file below the data folder',
        ),
        (
            a_table(cases=[{"case": "a/b", "ct": "c.nrrd", "labels": "l.nrrd", "table": "new"}]),
            'the case "a/b" has a "/" in its name',
        ),
    ],
)
def test_a_broken_class_table_says_what_is_wrong(tmp_path, table, message):
    with pytest.raises(InputError, match=message) as caught:
        read_class_table(write_table(tmp_path / "broken.json", table))
    assert "broken.json" in str(caught.value)


def test_a_class_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r'no class table ".*mine.json". Check the path'):
        read_class_table(tmp_path / "mine.json")
    with pytest.raises(InputError, match=r'no class table "verse".*packaged: shared, tptbox'):
        read_class_table("verse")


# ---------------------------------------------------------------------------------------------------- packaged tables


def test_the_ct_of_tptbox(monkeypatch, tmp_path):
    """A fresh clone has real bones to try the study on, without a path to type."""
    found = open_data("tptbox")
    assert [(one.name, one.bone, one.label) for one in found.candidates] == [
        ("L2", "Vertebrae", 21),
        ("L3", "Vertebrae", 22),
        ("L4", "Vertebrae", 23),
    ]
    assert (found.folder / found.candidates[0].ct).is_file()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tptbox").mkdir()
    assert data_folder("tptbox") == Path("tptbox")
    monkeypatch.chdir("..")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps tptbox==1\.1\.0"):
        open_data("tptbox")


def test_the_shared_table_gives_each_ct_its_numbers(tmp_path):
    """23 is L4 in the spines, and nothing in the torso; a torso value is not a vertebra of the spines."""
    cases = {case.case: case for case in read_class_table("shared").cases(tmp_path)}
    assert cases["lumbar"].classes[23] == LabelClass("L4", "Vertebrae") == cases["thick-slices"].classes[23]
    assert cases["torso"].classes[28] == LabelClass("L4", "Vertebrae") and 23 not in cases["torso"].classes
    assert cases["torso"].classes[75] == LabelClass("femur left", "Femur")
    assert {one.bone for case in cases.values() for one in case.studied.values()} <= set(BONES)


def test_the_shared_data_are_told_apart_from_others(tmp_path, a_totalsegmentator_folder):
    with pytest.raises(InputError, match=r'"shared" is in .*which has meta.csv, s0004/.*expected are torso-ct/ct'):
        open_data(a_totalsegmentator_folder, "shared")
    shutil.copytree(a_totalsegmentator_folder, tmp_path / "copy")
    assert open_data(tmp_path / "copy").candidates == open_data(a_totalsegmentator_folder).candidates
