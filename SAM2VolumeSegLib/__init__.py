"""SAM2VolumeSeg: carries masks painted on a few slices through a CT volume with SAM2, weights frozen."""

__version__ = "0.1.0"
