"""The chance of an error as phantoms have it, written by `sam2-volume-seg study review-prior`."""

WEIGHTS = (-0.9, -1.42, 0.9, 0.39, 0.37, 1.97)
"""The constant, and of each of `features.NAMES`."""
LOG_RATIO_SD = 0.43
"""Standard deviation over structures of the logarithm of true and expected wrong volume."""
LOG_RATIO_SD_CHECKED = 0.43
"""The same after a self-check."""
