"""What the README tells a user to type has to work, and no page sends a reader nowhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import SimpleITK as sitk

from SAM2VolumeSegLib.command.parser import parser
from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Segment, write_segmentation

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "SAM2VolumeSegLib/**/*.md", "Resources/**/*.md")
    for page in ROOT.glob(pattern)
)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def test_the_python_example_runs(a_ct, a_ct_labels, sample_ct_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "find_seeds" in block)
    sitk.WriteImage(sitk.ReadImage(str(sample_ct_folder / "sub-ct_label-22_ct.nii.gz")), "ct.nrrd")
    seeds = simulate_seeds(a_ct_labels == 22, a_ct, "first-middle-last")
    write_segmentation("painted.seg.nrrd", a_ct, [Segment("L3", paint_seeds(seeds, a_ct))], {})
    names = {}
    exec(code, names)
    assert names["mask"].shape == a_ct.voxels.shape
    assert names["mask"].sum() > paint_seeds(seeds, a_ct).sum()


def test_the_shell_examples_are_understood():
    """An option that was renamed would stop the reader at the first line."""
    pages = (README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")))
    lines = re.findall(r"^sam2-volume-seg (.*?)(?:\s+#.*)?$", "\n".join(pages), re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        if "--help" not in line:
            parser().parse_args(line.split())


def test_the_options_beside_the_measured_times_are_understood():
    """Who wants to see the speed on another machine copies them."""
    table = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    options = re.findall(r"\| `(--[^`]+)` \|", table)
    assert len(options) >= 5
    for line in options:
        parser().parse_args(["bench", *line.split()])


def test_the_readme_is_short():
    """Details have pages of their own below docs/."""
    assert len(README.splitlines()) < 300


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    """To a file of the repository, and to a heading that it has. Links to other sites are not followed."""
    text = CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        address, _, heading = unquote(link).partition("#")
        target = (ROOT / page).parent / address if address else ROOT / page
        assert target.exists(), f"{page} links to {address}, which is not there"
        if heading:
            assert heading in anchors(target), f"{page} links to {link}, which has no such heading"


def anchors(page):
    """The addresses of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_every_page_of_docs_is_found_from_the_readme():
    """A page that nothing links to is not read, and grows old."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)", CODE.sub("", page.read_text(encoding="utf-8")))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert {path.resolve() for path in (ROOT / "docs").rglob("*.md")} <= reached
