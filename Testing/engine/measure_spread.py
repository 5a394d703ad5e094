"""How far rounding moves logits, against how far a fault does: the evidence for the bound in rounding.py.

Run by hand from the checkout, some minutes: `PYTHONPATH=. python Testing/engine/measure_spread.py`. Each way in which
this machine can compute runs in a process of its own, since libraries look at the processor once. It prints the largest
difference of a logit for each memory policy, on the demo model with loud pointers (test_memory_bank.louder), + forward
and - backward:

ours      our tracker against sam2's predictor, both computed in the same way: the worst of all ways
machines  sam2's predictor against itself, computed in the first way and in another: the worst of all ways
faults    our tracker against itself with a deliberate fault: the smallest of FAULTS, and which
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from rounding import largest_difference
from sam2_reference import a_moving_disc, our_logits, predictor_logits, twin
from test_memory_bank import FAULTS, POLICIES, Broken, louder

from SAM2VolumeSegLib.model import checkpoints

# ATEN_CPU_CAPABILITY, and the limits of the other two libraries that pretend to the same processor.
LIMITS = {"default": ("SSE41", "SSE4_2"), "avx2": ("AVX2", "AVX2"), "avx512": ("DEFAULT", "AVX512")}
WAYS = [f"{name} {threads} {library}" for name in LIMITS for threads in (1, 2) for library in ("onednn", "native")]
DEMO = checkpoints.find("demo")


def environment_of(capability):
    onednn, mkl = LIMITS[capability]
    limits = {"ATEN_CPU_CAPABILITY": capability, "ONEDNN_MAX_CPU_ISA": onednn, "MKL_ENABLE_INSTRUCTIONS": mkl}
    return os.environ | limits | {"OMP_WAIT_POLICY": "passive", "TQDM_DISABLE": "1"}


def measure(way, folder):
    """Write [what, frames, S, S] for each policy and direction: sam2's logits, ours, and (once) those of the faults."""
    _, threads, library = way.split()
    torch.set_num_threads(int(threads))
    torch.backends.mkldnn.set_flags(library == "onednn")
    weights = louder(checkpoints.load_weights(DEMO))
    pictures, masks = a_moving_disc(192)
    prompted = {1: masks[1], 10: masks[10]}
    for name, (policy, change) in POLICIES.items():
        for step in (1, -1):
            network, predictor = twin(checkpoints.config_file(DEMO), weights, 192)
            change(predictor)
            with tempfile.TemporaryDirectory() as scratch:
                found = [predictor_logits(predictor, pictures, prompted, Path(scratch), step)]
            found.append(our_logits(network, pictures, prompted, policy, step))
            if way == WAYS[0]:
                broken = [Broken(**vars(policy), fault=fault) for fault in FAULTS]
                found += [our_logits(network, pictures, prompted, one, step) for one in broken]
            frames = sorted(found[0].keys() & found[1].keys())
            np.save(folder / f"{name} {step:+}.npy", [[one[frame] for frame in frames] for one in found])


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / way for way in WAYS]
        for folder in folders:
            folder.mkdir()
            command = [sys.executable, __file__, folder.name, folder]
            subprocess.run(command, env=environment_of(folder.name.split()[0]), check=True)
        print(f"{'':16}{'ours':>9}{'machines':>10}{'faults':>9}")
        for name in POLICIES:
            for step in (1, -1):
                logits = [np.load(folder / f"{name} {step:+}.npy") for folder in folders]
                theirs, right, *wrong = logits[0]
                ours = max(largest_difference(one[0], one[1]) for one in logits)
                machines = max(largest_difference(theirs, one[0]) for one in logits)
                fault, which = min(zip([largest_difference(right, one) for one in wrong], FAULTS, strict=True))
                sign = "+" if step > 0 else "-"
                print(f"{name:14}{sign} {ours:9.1e}{machines:10.1e}{fault:9.1e}  {which}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
