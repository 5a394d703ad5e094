"""Slicer imports the module files at every start: packaged or from a checkout, with its own Python, before Set up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ["SAM2VolumeSeg", "SegmentEditorSAM2Propagate"]
SCRIPT = Path(__file__).parent / "bare_slicer.py"


def interpreters() -> dict[str, str]:
    """Interpreters by version: the one of the tests, and those of pyenv, the system and $SAM2VOLUMESEG_PYTHONS.

    Slicer 5.10 to 5.13 have Python 3.12; 3.10 is the oldest that the engine promises. Others are not asked.
    """
    found = {}
    names = [sys.executable, *os.environ.get("SAM2VOLUMESEG_PYTHONS", "").split(os.pathsep), "python3.10", "python3.12"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names += [str(path / "bin" / "python") for path in sorted(pyenv.glob("3.1[02].*"))]
    ask = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    for name in filter(None, names):
        try:
            asked = subprocess.run([name, "-c", ask], check=True, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.SubprocessError):
            continue
        version = asked.stdout.strip()
        if tuple(map(int, version.split("."))) >= (3, 10):
            found.setdefault(version, name)
    return found


INTERPRETERS = interpreters()


def import_in(interpreter: str, folder: Path, *names: str) -> dict:
    # -I: no PYTHONPATH, no current folder, no user packages. -W error: a deprecated escape is an error in Python 3.12.
    command = [interpreter, "-I", "-B", "-W", "error::SyntaxWarning", str(SCRIPT), str(folder), *names]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("version", INTERPRETERS)
@pytest.mark.parametrize("name", MODULES)
def test_a_packaged_module_imports_and_finds_its_library_and_demo_model(a_package, name, version):
    facts = import_in(INTERPRETERS[version], a_package.modules, name)

    library = a_package.modules.resolve() / "SAM2VolumeSegLib"
    assert name in facts["classes"]
    assert Path(facts["library"]) == library
    assert [Path(path) for path in facts["model"]] == [library / "model/demo/demo.pt", library / "model/demo/demo.yaml"]


def test_a_checkout_finds_the_library_beside_the_modules_folder(repository):
    """The checkout's SAM2VolumeSeg/ is an additional module path: only that folder is on Python's path."""
    facts = import_in(sys.executable, repository / "SAM2VolumeSeg", "SAM2VolumeSeg")

    assert Path(facts["library"]) == repository / "SAM2VolumeSegLib"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_that_set_up_installs_is_needed_to_start_slicer(a_package, name):
    facts = import_in(sys.executable, a_package.modules, name)

    assert facts["refused"] == []
    assert facts["heavy"] == []
    assert facts["stand_ins"] == [], "the interpreter of the tests has numpy, scipy and SimpleITK: they must be real"


def test_painting_and_choosing_seeds_need_nothing_that_set_up_installs(a_package):
    """Before Set up the panel shows seeds, windows and what is missing; only propagating needs torch and sam2."""
    panel = sorted((a_package.modules / "SAM2VolumeSegLib" / "panel").glob("[a-z]*.py"))
    rooms = ["volume", "seeds", "scene", "synthetic.phantom", *(f"panel.{path.stem}" for path in panel)]
    names = [f"SAM2VolumeSegLib.{room}" for room in rooms]

    facts = import_in(sys.executable, a_package.modules, "SAM2VolumeSeg", *names)

    assert facts["heavy"] == []
