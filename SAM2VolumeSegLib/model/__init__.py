"""SAM2 with frozen weights: checkpoints, the network and its memory, what it has computed, devices."""
