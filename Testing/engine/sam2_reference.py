"""sam2's own video predictor on the frames and masks of a test, and our tracker on the same ones."""

import warnings

import numpy as np
import torch
from PIL import Image

from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.sam2_volume import IMAGE_MEAN, IMAGE_STD
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation.propagate import Walk
from SAM2VolumeSegLib.propagation.sight import Span


class Frames:
    """A stack of pictures [T, S, S] in 0..1."""

    key = "frames"

    def __init__(self, pictures):
        self.pictures = pictures

    def picture(self, index):
        return self.pictures[index]

    def index(self, position):
        return position


def a_moving_disc(size, count=14):
    """Pictures [T, S, S] of two bright discs, one of which moves and grows, and its masks [T, S, S]."""
    rows, columns = np.mgrid[:size, :size] / size
    noise = np.random.default_rng(3).normal(0, 0.05, (count, size, size))
    pictures, masks = [], []
    for n in range(count):
        mask = (rows - 0.4 - 0.01 * n) ** 2 + (columns - 0.45) ** 2 < (0.15 + 0.005 * n) ** 2
        other = (rows - 0.75) ** 2 + (columns - 0.8) ** 2 < 0.01
        pictures.append(np.clip(0.25 + 0.6 * mask + 0.6 * other + noise[n], 0, 1))
        masks.append(mask)
    return np.array(pictures, dtype=np.float32), np.array(masks)


def predictor_logits(predictor, pictures, prompted, folder, step):
    """Video-resolution logits {frame: [S, S]} of sam2's SAM2VideoPredictor from the outermost prompt onwards."""
    for number in range(len(pictures)):
        Image.new("RGB", (8, 8)).save(folder / f"{number}.jpg")
    with warnings.catch_warnings(), torch.inference_mode():
        # Hole filling needs sam2's CUDA extension; without it sam2 leaves masks as they are.
        warnings.simplefilter("ignore")
        state = predictor.init_state(str(folder))
        mean, std = torch.tensor(IMAGE_MEAN)[:, None, None], torch.tensor(IMAGE_STD)[:, None, None]
        state["images"] = (torch.from_numpy(pictures)[:, None] - mean) / std
        state["cached_features"] = {}
        state["video_height"], state["video_width"] = pictures.shape[1:]
        for frame, mask in prompted.items():
            predictor.add_new_mask(state, frame, obj_id=1, mask=mask)
        start = min(prompted) if step > 0 else max(prompted)
        steps = predictor.propagate_in_video(state, start_frame_idx=start, reverse=step < 0)
        return {frame: logits[0, 0].numpy() for frame, _, logits in steps}


def our_logits(network, pictures, prompted, policy=STOCK, step=1):
    """Video-resolution logits {frame: [S, S]} of our tracker, unclamped; prompted frames are not in it."""
    size = pictures.shape[-1]
    plan = DevicePlan(torch.device("cpu"), torch.float32, size, 4, 1 << 30)
    tracker = SliceTracker(network, plan)
    frames = Frames(pictures)
    prompts = {frame: tracker.prompt(frames, frame, mask).memory for frame, mask in prompted.items()}
    walk = Walk(prompts, Span(0, len(pictures) - 1), policy, step, limits=network.limits)
    logits = {}
    while walk.position is not None:
        query, prediction = walk.query(), None
        if query is not None:
            (prediction,) = tracker.track(frames, [query])
            large = torch.nn.functional.interpolate(
                prediction.logits, (size, size), mode="bilinear", align_corners=False
            )
            logits[walk.position] = large[0, 0].numpy()
        walk.go_on(prediction)
    return logits


def twin(config, weights, size):
    """Our network and sam2's predictor with the same weights, from the same yaml."""
    ours = build_network(config, size)
    theirs = build_network(config, size, target="sam2.sam2_video_predictor.SAM2VideoPredictor")
    theirs.fill_hole_area = 8  # the one override that build_network leaves out
    ours.load_state_dict(weights)
    theirs.load_state_dict(weights)
    return ours, theirs
