"""What the CMake lists say is what is there: a file that is not listed is silently missing for every user."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

PACKAGE_LIMIT_MB = 10  # 8 of them are the demo model; the index allows 100 MB for the repository with its history


def files_below(folder: Path, *left_out: str) -> set[str]:
    """Relative paths of the files of a folder, without caches, hidden files and the folders `left_out`."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if "__pycache__" not in path.parts
        and not path.name.startswith(".")
        and path.name != "CMakeLists.txt"
        and path.parts[0] not in left_out
    }


def test_the_library_is_packaged_whole_but_for_research(a_package, repository):
    packaged = {name for name in a_package.files() if name.startswith("SAM2VolumeSegLib/")}

    assert packaged == {f"SAM2VolumeSegLib/{name}" for name in files_below(repository / "SAM2VolumeSegLib", "research")}


def test_every_file_of_the_modules_is_packaged(a_package, repository):
    packaged = {name for name in a_package.files() if not name.startswith("SAM2VolumeSegLib/")}

    assert packaged == files_below(repository / "SAM2VolumeSeg", "Testing")


def test_module_files_lie_where_slicer_looks_for_them(a_package):
    """Every .py in that folder is taken for a module whose class has the file's name."""
    names = {path.stem for path in a_package.modules.glob("*.py")}

    assert names == {"SAM2VolumeSeg", "SegmentEditorSAM2Propagate"}
    for name in names:
        assert f"class {name}(ScriptedLoadableModule)" in (a_package.modules / f"{name}.py").read_text("utf-8")


def test_the_effect_is_not_beside_the_library(a_package):
    """Slicer names the effect's Python module after its folder: in SAM2VolumeSegLib it would hide the library."""
    effect = [name for name in a_package.files() if name.endswith("SegmentEditorEffect.py")]

    assert effect == ["SegmentEditorSAM2PropagateLib/SegmentEditorEffect.py"]


@pytest.mark.parametrize("name", ["model/demo/demo.pt", "model/demo/demo.yaml"])
def test_the_demo_model_is_packaged_whole(a_package, repository, name):
    packaged = a_package.modules / "SAM2VolumeSegLib" / name

    assert packaged.read_bytes() == (repository / "SAM2VolumeSegLib" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Resources/Icons/SAM2VolumeSeg.svg", (128, 128)),
        ("Resources/Icons/SAM2VolumeSegPhantom.png", (260, 280)),
        ("SegmentEditorSAM2PropagateLib/SegmentEditorEffect.svg", (128, 128)),
        ("SegmentEditorSAM2PropagateLib/SegmentEditorEffectDark.svg", (128, 128)),
    ],
)
def test_icons_are_packaged_under_the_names_that_slicer_and_the_sources_use(a_package, name, size):
    """Slicer takes the module's icon by name; the phantom's picture is named where the sample is registered."""
    if name.endswith(".svg"):
        picture = ET.parse(a_package.modules / name).getroot()
        assert (int(picture.get("width")), int(picture.get("height"))) == size and len(picture) > 8
    else:
        with Image.open(a_package.modules / name) as picture:
            assert (picture.format, picture.size) == ("PNG", size)
    if Path(name).stem != "SAM2VolumeSeg":
        sources = [path.read_text("utf-8") for path in a_package.modules.rglob("*.py")]
        assert any(Path(name).name in source for source in sources)


def test_the_package_is_small(a_package):
    """What everybody downloads, without research and tests. `pytest -s` prints it."""
    size = sum((a_package.modules / name).stat().st_size for name in a_package.files())
    print(f"The package has {size / 1e6:.1f} MB in {len(a_package.files())} files.")

    assert size < PACKAGE_LIMIT_MB * 1e6


def test_the_tests_that_run_in_slicer_are_registered(a_package):
    assert {
        "generic SAM2VolumeSeg",
        "generic SegmentEditorSAM2Propagate",
        "py_SAM2VolumeSeg",
        "py_nomainwindow_SAM2VolumeSeg",
    } <= set(a_package.tests)
    assert len(a_package.tests) == len(set(a_package.tests)), "ctest refuses two tests of one name"
