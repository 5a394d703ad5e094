"""The package as Slicer unpacks it, assembled from the extension's own CMake lists."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """modules: the folder that Slicer searches for modules and puts on Python's path; metadata: the EXTENSION_...
    variables, and PROJECT_NAME; tests: what ctest would run."""

    modules: Path
    metadata: dict[str, str]
    tests: list[str]

    def files(self) -> set[str]:
        return {path.relative_to(self.modules).as_posix() for path in self.modules.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def repository() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def a_package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("package")
    script = Path(__file__).parent / "assemble.cmake"
    command = [cmake(), f"-DSOURCE={ROOT.as_posix()}", f"-DDESTINATION={folder.as_posix()}", "-P", str(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metadata = dict(line.split("=", 1) for line in (folder / "metadata.txt").read_text("utf-8").splitlines())
    tests = (folder / "tests.txt").read_text("utf-8").splitlines()
    return Package(next((folder / "lib").glob("Slicer-*")) / "qt-scripted-modules", metadata, tests)


def cmake() -> str:
    """CMake from the environment of the tests, or of the system."""
    found = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    assert found, "cmake is missing: install the test requirements (make setup), or CMake itself"
    return found
