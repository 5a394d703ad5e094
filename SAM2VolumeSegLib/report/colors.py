"""Colours that colour-blind people tell apart, on a grey picture too."""

from __future__ import annotations

CHANCE_COLORS = ((0, 32, 77), (0, 83, 158), (78, 121, 167), (224, 181, 66), (255, 234, 70))
"""Of the chance of an error, 0 to 1 in even steps, red, green, blue in 0..255: from blue to yellow, ever lighter, so
that it can be read in grey as well."""

DISTANCE_COLORS = ((0, 83, 158), (120, 170, 214), (240, 240, 240), (240, 170, 90), (200, 90, 0))
"""Of a signed distance: from blue (inside of the reference) over white to orange (outside)."""
