"""One look for every figure of a report: colours that colour-blind people tell apart, legible at a README's width."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from SAM2VolumeSegLib.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette.
OURS, SECOND, THIRD, PAPER, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
PAPER_LABEL = "paper (SAM 2.1 small, 500 volumes)"
_DPI = 120
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "savefig.facecolor": "white",
}


def new_figure(rows: int, columns: int, width: float = 8.0, height: float = 3.8, **options) -> tuple:
    """Return a figure in the report's style and its axes, as `plt.subplots` does, without pyplot or a display.

    Args:
        rows: of axes.
        columns: of axes.
        width: inches of 120 pixels.
        height: inches.
        **options: of `Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)  # inches
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def draw_png(draw: Callable[..., Figure | None], *arguments) -> bytes | None:
    """Let a function draw in the report's style.

    Args:
        draw: gives a figure, or None.
        *arguments: of the function.

    Returns:
        A PNG file, the same on every run; None: there was nothing to draw.

    Raises:
        InputError: matplotlib is missing.
    """
    try:
        import matplotlib
    except ImportError:
        raise InputError("The figures of a report need matplotlib. Install it with: pip install matplotlib") from None
    with matplotlib.rc_context(_STYLE):
        figure = draw(*arguments)
        if figure is None:
            return None
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return file.getvalue()
