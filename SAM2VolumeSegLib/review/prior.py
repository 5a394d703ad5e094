"""The chance of an error as phantoms have it, written by `sam2-volume-seg study review-prior`."""

WEIGHTS = (-1.488, -1.471, 0.781, 0.449, 0.402, 2.912)
"""The constant, and the weight of each of `features.NAMES`."""
LOG_RATIO_SD = 0.729
"""Standard deviation over structures of the logarithm of true wrong volume over the expected one."""
LOG_RATIO_SD_CHECKED = 0.427
"""The same after a self-check."""
