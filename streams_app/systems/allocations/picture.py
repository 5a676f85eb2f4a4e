"""The phases of a simulation over time: bars in the terminal, and the same as SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from streams_app.systems.allocations.measured import Measured, Span
from streams_app.systems.allocations.scenario import Phase

_COLUMNS: Final = 60
_EIGHTHS: Final = "▁▂▃▄▅▆▇█"
_WIDTH, _LABEL, _FIGURE, _ROW, _TITLE = 720, 150, 90, 20, 30
_COLOURS: Final[dict[Phase, str]] = {"routing": "#2f6fb3", "allocations": "#d1642e", "booking": "#3c8d53"}
_INK: Final = "#333333"


def lines(measured: Measured) -> Iterator[str]:
    """A line for each track: when it had work, to the right the seconds at which it ended."""
    for span in measured.spans:
        scale = _COLUMNS / max(measured.seconds, 0.001)
        first = min(_COLUMNS - 1, int(span.began * scale))
        length = max(1, round(span.ended * scale) - first)
        bar = (" " * first + "█" * length)[:_COLUMNS]
        yield f"{span.track.words:>20} ▏{bar:<{_COLUMNS}}▏{span.ended:6.1f} s"


def spark(values: Sequence[int]) -> str:
    """A row of values as a line of small bars, the largest as high as a line."""
    if not values or not max(values):
        return ""
    width = min(_COLUMNS, len(values))
    # Of each stretch the largest: a short peak must be seen.
    stretches = [values[n * len(values) // width : (n + 1) * len(values) // width] for n in range(width)]
    top = max(values)
    return "".join(_EIGHTHS[min(7, max(stretch) * 8 // top)] for stretch in stretches)


def svg(ways: Sequence[Measured]) -> str:
    """All ways below each other, on one scale of time."""
    scale = (_WIDTH - _LABEL - _FIGURE) / max(0.001, *(measured.seconds for measured in ways))
    parts, top = [], 0
    for measured in ways:
        title = f"{measured.way.name}: {measured.seconds:.1f} s"
        parts.append(f'<text x="8" y="{top + 20}" fill="{_INK}" font-weight="bold">{escape(title)}</text>')
        top += _TITLE
        for span in measured.spans:
            parts += _bar(span, top, scale)
            top += _ROW
    height = top + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            'font-size="12">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _bar(span: Span, top: int, scale: float) -> Iterator[str]:
    left, width = _LABEL + span.began * scale, max(1.0, (span.ended - span.began) * scale)
    yield f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end" fill="{_INK}">{escape(span.track.words)}</text>'
    yield (
        f'<rect x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="{_ROW - 6}" '
        f'fill="{_COLOURS[span.track.phase]}"/>'
    )
    yield f'<text x="{left + width + 6:.1f}" y="{top + 13}" fill="{_INK}">{span.ended:.1f} s</text>'
