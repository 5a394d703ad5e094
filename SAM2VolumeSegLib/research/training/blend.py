"""Blend two checkpoints of one architecture, one trained on from the other: often better than either.

    python -m SAM2VolumeSegLib.research.training.blend first.pt later.pt --share 0.65 --out demo.pt

What a network learns when it is trained on takes away some of what it knew; halfway between both sets of weights lies
a network that has most of both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). Choose the share
by `validate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from SAM2VolumeSegLib.research.training.train import save_checkpoint


def blend(first: dict[str, torch.Tensor], later: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Return the weights (1 - share) * first + share * later.

    Args:
        first: weights by name.
        later: weights by name.
        share: of the later ones, 0 to 1.

    Raises:
        ValueError: they belong to different networks.
    """
    if {name: value.shape for name, value in first.items()} != {name: value.shape for name, value in later.items()}:
        raise ValueError("The two checkpoints belong to different networks.")
    return {
        name: (1 - share) * value.float() + share * later[name].float() if value.is_floating_point() else later[name]
        for name, value in first.items()
    }


def main():
    """Blend two checkpoints into one file, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the later one, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    first, later = (torch.load(path, weights_only=True)["model"] for path in (chosen.first, chosen.later))
    save_checkpoint(blend(first, later, chosen.share), chosen.out)


if __name__ == "__main__":
    main()
