"""The rules of Slicer's Extensions Index that can be checked without a network (its check_description_files.py)."""

import json
import re
from urllib.parse import urlsplit

import pytest
from PIL import Image

REQUIRED = {"$schema", "category", "scm_url"}
OPTIONAL = {
    "build_dependencies", "build_subdirectory", "dicom_support_rule", "enabled", "scm_revision", "scm_type", "tier",
}  # fmt: skip
ICON = r'set\s*\(EXTENSION_ICONURL\s*"([^"]+)"[ ]*\)'
SCREENSHOTS = r'set\s*\(EXTENSION_SCREENSHOTURLS\s*"([^"]+)"\)'


@pytest.fixture(scope="module")
def entry(repository) -> dict:
    return json.loads((repository / "SAM2VolumeSeg.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def cmake_lines(repository) -> str:
    return (repository / "CMakeLists.txt").read_text("utf-8")


def file_of(url: str, entry: dict, repository):
    """The file of this repository that a raw address of its hosting shows."""
    parts = urlsplit(url)
    assert parts.scheme == "https"
    start = f"{urlsplit(entry['scm_url']).path}/{entry['scm_revision']}/"
    assert parts.path.startswith(start), f"{url} is not in {entry['scm_url']}"
    return repository / parts.path.removeprefix(start)


def test_the_catalog_entry_has_the_schemas_keys_and_types(entry):
    assert REQUIRED <= entry.keys() <= REQUIRED | OPTIONAL
    assert entry["$schema"].endswith("/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["category"] == "Segmentation"
    assert entry["tier"] in range(1, 6)
    assert entry.get("enabled", True) is True
    assert all(isinstance(name, str) for name in entry["build_dependencies"])
    assert all(isinstance(entry[key], str) for key in ("scm_url", "scm_revision", "build_subdirectory"))


def test_the_catalog_entry_is_written_as_the_index_wants_it(repository):
    raw = (repository / "SAM2VolumeSeg.json").read_bytes()

    assert b"\r" not in raw
    assert raw.decode() == json.dumps(json.loads(raw), indent=2, sort_keys=True) + "\n"


def test_the_repository_can_be_cloned_and_is_named_as_an_extension(entry):
    address = urlsplit(entry["scm_url"])

    assert address.scheme in ("https", "git")
    assert address.path.rsplit("/", 1)[1].startswith("Slicer")


def test_project_extension_and_entry_have_one_name(a_package, cmake_lines, repository):
    assert re.findall(r"project\s*\(\s*([^\s\)]+)", cmake_lines, re.IGNORECASE) == ["SAM2VolumeSeg"]
    assert a_package.metadata["PROJECT_NAME"] == "SAM2VolumeSeg"
    assert [path.name for path in repository.glob("*.json")] == ["SAM2VolumeSeg.json"]


def test_cmake_and_the_catalog_entry_name_the_same_dependencies(a_package, entry):
    assert a_package.metadata["EXTENSION_DEPENDS"].split() == entry["build_dependencies"]


def test_metadata_is_literal_and_whole(a_package, cmake_lines):
    """The index reads the file as text, and a semicolon cuts a value off."""
    metadata = {key: value for key, value in a_package.metadata.items() if key.startswith("EXTENSION_")}
    for key in ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        value = metadata[f"EXTENSION_{key}"]
        assert value.strip()
        assert ";" not in value
        assert f'set(EXTENSION_{key} "{value}")' in cmake_lines.splitlines()


def test_readme_and_licence_are_the_extensions_own(a_package, cmake_lines, repository):
    """They default to Slicer's, and only what is set before the use file counts."""
    before, use_file, _after = cmake_lines.partition("include(${Slicer_USE_FILE})")

    assert use_file
    for key, name in (("EXTENSION_README_FILE", "README.md"), ("EXTENSION_LICENSE_FILE", "LICENSE.txt")):
        assert key in before
        assert a_package.metadata[key] == (repository / name).as_posix()
        assert (repository / name).stat().st_size > 0


def test_icon_and_screenshots_are_pictures_of_this_repository(cmake_lines, entry, repository):
    (icon,) = re.findall(ICON, cmake_lines)
    (screenshots,) = re.findall(SCREENSHOTS, cmake_lines)

    with Image.open(file_of(icon, entry, repository)) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 128))
    for url in screenshots.split():
        path = file_of(url, entry, repository)
        assert path.stat().st_size < 2**20, f"{path.name} is larger than 1 MB"
        with Image.open(path) as picture:
            assert picture.format in ("PNG", "JPEG", "GIF")


def test_the_description_is_short_and_names_the_licence_of_the_weights(a_package):
    description = a_package.metadata["EXTENSION_DESCRIPTION"]

    assert len(re.findall(r"\.(?:\s|$)", description)) <= 2
    assert "weights" in description
    assert "Apache-2.0" in description


def test_contributors_are_people_with_their_organisations_and_the_same_everywhere(a_package, repository):
    """The index and the module's help show them. Fill the line in before the extension is submitted."""
    contributors = a_package.metadata["EXTENSION_CONTRIBUTORS"]
    names = contributors.split(", ")

    assert all(re.fullmatch(r"[^()]+ \([^()]+\)", name) for name in names)
    for module in ("SAM2VolumeSeg", "SegmentEditorSAM2Propagate"):
        source = (repository / "SAM2VolumeSeg" / f"{module}.py").read_text("utf-8")
        assert f"self.parent.contributors = {json.dumps(names)}" in source


def test_the_readme_names_each_module_in_a_sentence_and_shows_the_module(repository):
    """What the index asks of a README: somebody who looks for an extension reads its first screen."""
    text = (repository / "README.md").read_text("utf-8")
    start = text.index("\n## Modules\n")

    assert text[:start].count("\n") < 60
    section = text[start + 1 :].partition("\n## ")[0]
    for name in ("SAM2 Volume Segmentation", "SAM2 propagate"):
        assert re.search(rf"- \*\*{name}\*\*[^\n]*\S", section)
    assert "Resources/Screenshots/" in section
