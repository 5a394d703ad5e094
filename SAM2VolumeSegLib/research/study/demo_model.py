"""Put another checkpoint in the place of the bundled demonstration model.

    sam2-volume-seg study demo-model scratch/demo/demo.pt

It is checked first, and nothing is replaced by what cannot be used. Then the texts that state its SHA-256 and size are
written anew, and the program lists what has to be run again, so that all of it fits into one commit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.model.weights import read_weights
from SAM2VolumeSegLib.research.study.readme import DEMO_MODEL, rewritten
from SAM2VolumeSegLib.volume.target import beside, move_together, write_text

MAX_BYTES = 10_000_000
"""It is in the repository and in every package."""
RUN_AGAIN = (
    "sam2-volume-seg demo --table Resources/results/demo.csv",
    "python -m SAM2VolumeSegLib.research.training.table SAM2VolumeSegLib/model/demo/demo.pt --data FOLDER --workers 2"
    "   # into SAM2VolumeSegLib/model/demo/README.md; column tptbox also into Testing/research/test_demo_model.py",
    "sam2-volume-seg study review-prior    # where its results are likely wrong",
    "sam2-volume-seg study run ...    # as Resources/results/report.md says under 'Again', and those in its folders",
    "sam2-volume-seg study report ... --out Resources/results    # and the other two",
    "python Testing/report/take_picture.py    # of a review",
    "python Resources/Tutorial/draw_tutorial.py    # pictures, and the numbers that it prints into the tutorial",
    "sam2-volume-seg study readme",
    "python -m pytest",
)
"""What shows figures or pictures of the model: a commit with a new one has all of these new."""


def check(checkpoint: Path, config: Path) -> None:
    """Check that a checkpoint can be the demonstration model.

    Args:
        checkpoint: the file.
        config: the yaml file of the architecture that it has to have.

    Raises:
        InputError: it is missing or too large, holds what is no finite number, or belongs to another network.
    """
    if not checkpoint.is_file():
        raise InputError(f'There is no checkpoint "{checkpoint}".')
    size = checkpoint.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f'"{checkpoint}" has {size / 1e6:.1f} MB, and a bundled model at most {MAX_BYTES / 1e6:.0f}: save it in '
            "half precision."
        )
    weights = read_weights(checkpoint)  # finite numbers in plain arrays, or it says so
    expected = {name: tuple(value.shape) for name, value in build_network(config).state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if found != expected:
        other = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise InputError(
            f'"{checkpoint}" is of another network than {config.name}: {len(other)} arrays differ, such as {other[0]}.'
        )


def replace(checkpoint: Path, root: Path) -> list[Path]:
    """Replace the demonstration model of a checkout, and what texts state of it.

    Args:
        checkpoint: the new one.
        root: of the checkout.

    Returns:
        The files that were written.

    Raises:
        InputError: as `check`; it is the bundled one already; or a file cannot be written.
    """
    target = root / DEMO_MODEL
    check(checkpoint, target.with_name("demo.yaml"))
    if sha256_of(checkpoint) == sha256_of(target):
        raise InputError(f'"{checkpoint}" is the bundled model already: there is nothing to replace.')
    with beside(target) as folder:
        shutil.copyfile(checkpoint, folder / target.name)
        move_together([folder / target.name], target.parent)
    changed = rewritten(root)
    for path, text in changed.items():
        write_text(path, text)
    return [target, *changed]
