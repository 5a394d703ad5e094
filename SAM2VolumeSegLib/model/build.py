"""Build SAM2 from a yaml of the sam2 package (or ours) without touching Hydra's global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model import devices
from SAM2VolumeSegLib.model.config import no_network, read_config

# What sam2.build_sam.build_sam2_video_predictor adds to every configuration; hole filling is left out because it
# needs sam2's compiled CUDA extension, which is never built here.
PREDICTOR_OVERRIDES = {
    "model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability": True,
    "model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta": 0.05,
    "model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh": 0.98,
    "model.binarize_mask_from_pts_for_mem_enc": True,
}


def build_network(config: Path | str, image_size: int | None = None, target: str | None = None) -> Any:
    """Instantiate the network (a torch module) that a SAM2 yaml describes: random weights, evaluation mode, the CPU.

    `OmegaConf` + `instantiate` instead of Hydra's `compose`: another extension in the same Slicer may have initialised
    Hydra for itself.

    Args:
        config: Path of the yaml.
        image_size: Pixels, a multiple of 32; None keeps the yaml's.
        target: Dotted class name, by default this project's VolumeSAM2 (a test builds sam2's own SAM2VideoPredictor
            from the same yaml).

    Raises:
        InputError: The yaml describes no such network, or asks for more (see `read_config`).
    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from . import sam2_volume

    model = read_config(config)
    model["_target_"] = target or f"{sam2_volume.__name__}.VolumeSAM2"
    if image_size is not None:
        model["image_size"] = image_size
    try:
        described = OmegaConf.create({"model": model})
        for key, value in PREDICTOR_OVERRIDES.items():
            OmegaConf.update(described, key, value, force_add=True)
        return instantiate(described.model).eval()
    except Exception as error:  # whatever sam2's classes raise for what they cannot be
        if devices.is_out_of_memory(error.__cause__ or error):  # Hydra wraps it
            raise InputError(
                _(
                    "The network that the configuration {config} describes needs more memory than there is. Choose a "
                    "smaller model, or close other programs."
                ).format(config=config)
            ) from error
        raise no_network(config, type(error.__cause__ or error).__name__) from error
