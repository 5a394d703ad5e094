"""The picture of a review that the README shows: vertebrae of tptbox's CT, three painted slices each, the demo model.

python Testing/report/take_picture.py     # takes Resources/review.png
"""

import importlib.util
import io
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "engine")]

PICTURE = Path(__file__).parents[2] / "Resources" / "review.png"
WIDTH, HEIGHT = 1100, 940
VERTEBRAE = {"L2": 21, "L3": 22, "L4": 23}


def write_inputs(folder):
    """The CT, and what a user paints: the middle slice of each axis."""
    import SimpleITK as sitk
    from cli_files import save_ct

    from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
    from SAM2VolumeSegLib.volume import Plane, Segment, read_volume, write_segmentation

    source = Path(importlib.util.find_spec("TPTBox").origin).parent / "tests" / "sample_ct"
    volume = read_volume(source / "sub-ct_label-22_ct.nii.gz")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(source / "sub-ct_seg-vert_label-22_msk.nii.gz")))
    painted = {
        name: paint_seeds(simulate_seeds(labels == label, volume, "middle", tuple(Plane)), volume)
        for name, label in VERTEBRAE.items()
    }
    save_ct(folder / "ct.nrrd", volume)
    segments = [Segment(name, mask) for name, mask in painted.items()]
    write_segmentation(folder / "painted.seg.nrrd", volume, segments, {})


def main():
    from browser import LAUNCH, browser_path
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from SAM2VolumeSegLib.cli import main as command

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        write_inputs(folder)
        ct, painted, result = (str(folder / file) for file in ("ct.nrrd", "painted.seg.nrrd", "result.seg.nrrd"))
        made = command(["segment", ct, painted, "-o", result, "--model", "demo"])
        if code := made or command(["review", ct, result, "--seeds", painted, "-o", str(folder / "report")]):
            sys.exit(code)
        browser = driver.chromium.launch(executable_path=browser_path(), args=LAUNCH)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((folder / "report" / "review.html").as_uri() + "#segment-1")
        taken = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    taken.convert("RGB").quantize(256, kmeans=3).save(PICTURE, optimize=True)  # half the size, to the eye the same
    print(f"Written: {PICTURE}")


if __name__ == "__main__":
    main()
