"""Pieces of a page. What goes in is plain text, and escaped here; what is made of pieces is HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from SAM2VolumeSegLib.i18n import tr as _


def section(anchor: str, heading: str, content: Iterable[str]) -> str:
    """A part of the page with a heading, and an address that links can name."""
    return f'<section id="{anchor}">\n<h2>{escape(heading)}</h2>\n{chr(10).join(content)}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a class of report.css."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>"


def bullets(sentences: Iterable[str]) -> str:
    """A list."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in sentences)}</ul>"


def table(columns: Sequence[str], lines: Sequence[str]) -> str:
    """A table: what stands above its columns, and its lines, each of which is made of cells."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in columns)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(text: str, kind: str = "") -> str:
    """A cell, of a class of report.css."""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def figure(value: float | None, form: str) -> str:
    """A number as text, "-" where there is none."""
    return "-" if value is None else form.format(value)


def millilitres(value: float) -> str:
    """A volume with two digits that count, from 0.01 ml on."""
    if 0 < value < 0.005:
        return _("less than 0.01 ml")
    digits = 1 if value >= 10 or not value else min(2, max(0, 1 - math.floor(math.log10(value))))
    return f"{value:.{digits}f} ml"


def sentence(text: str) -> str:
    """A sentence, of words that begin with a small letter."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
