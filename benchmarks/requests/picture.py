"""A bar chart of rates as SVG: the median as a bar, least and most as a line across its end."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

_WIDTH, _LABEL, _BAR, _GAP, _FIGURE = 720, 90, 22, 14, 90
_OURS, _OTHERS, _INK = "#2f6fb3", "#9aa7b4", "#333333"


def draw(bars: Sequence[tuple[str, float, float, float]]) -> str:
    """The picture of `bars`: name, median, least and most; the first is ours."""
    height = len(bars) * (_BAR + _GAP) + _GAP + 16
    scale = (_WIDTH - _LABEL - _FIGURE) / max(most for _, _, _, most in bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (name, median, least, most) in enumerate(bars):
        top = _GAP + number * (_BAR + _GAP)
        middle, end = top + _BAR / 2, _LABEL + most * scale
        parts += [
            f'<text x="{_LABEL - 8}" y="{middle + 5}" text-anchor="end" fill="{_INK}">{escape(name)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{median * scale:.1f}" height="{_BAR}" '
            f'fill="{_OTHERS if number else _OURS}"/>',
            f'<path d="M{_LABEL + least * scale:.1f} {middle}H{end:.1f}" stroke="{_INK}" stroke-width="1.5"/>',
            f'<text x="{end + 6:.1f}" y="{middle + 5}" fill="{_INK}">{median:,.0f}</text>',
        ]
    parts.append(f'<text x="{_LABEL}" y="{height - 6}" fill="{_INK}" font-size="11">changes a second, median</text>')
    return "\n".join([*parts, "</svg>", ""])
