"""Charts as SVG: bars of rates, and lines over sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.sax.saxutils import escape

_WIDTH, _LABEL, _BAR, _GAP, _FIGURE = 720, 90, 22, 14, 90
_OURS, _OTHERS, _INK, _GRID = "#2f6fb3", "#9aa7b4", "#333333", "#dddddd"
_COLOURS = ("#2f6fb3", "#d1642e", "#3c8d53", "#8a56a8", "#b08a1e", "#5f6b76")
_TOP, _LEFT, _RIGHT, _BOTTOM, _PLOT = 34, 70, 20, 46, 250


class Chart(Protocol):
    """Anything that can be drawn."""

    def draw(self) -> str:
        """The whole SVG."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars: name, median, least and most; the median as a bar, least and most as a line across its end.

    The first is ours.
    """

    bars: Sequence[tuple[str, float, float, float]]
    caption: str
    label: int = _LABEL

    def draw(self) -> str:
        """The whole SVG."""
        height = len(self.bars) * (_BAR + _GAP) + _GAP + 16
        scale = (_WIDTH - self.label - _FIGURE) / max(most for _, _, _, most in self.bars)
        parts = [*_begin(height)]
        for number, (name, median, least, most) in enumerate(self.bars):
            top = _GAP + number * (_BAR + _GAP)
            middle, end = top + _BAR / 2, self.label + most * scale
            parts += [
                f'<text x="{self.label - 8}" y="{middle + 5}" text-anchor="end" fill="{_INK}">{escape(name)}</text>',
                f'<rect x="{self.label}" y="{top}" width="{median * scale:.1f}" height="{_BAR}" '
                f'fill="{_OTHERS if number else _OURS}"/>',
                f'<path d="M{self.label + least * scale:.1f} {middle}H{end:.1f}" stroke="{_INK}" stroke-width="1.5"/>',
                f'<text x="{end + 6:.1f}" y="{middle + 5}" fill="{_INK}">{figure(median)}</text>',
            ]
        parts.append(f'<text x="{self.label}" y="{height - 6}" fill="{_INK}" font-size="11">{self.caption}</text>')
        return _end(parts)


@dataclass(frozen=True, slots=True)
class Lines:
    """One line for each of `series` over the places `x`; NaN leaves a point out. `unit` says what is upwards.

    `log` makes the scale logarithmic, else it begins at zero.
    """

    x: Sequence[str]
    series: Mapping[str, Sequence[float]]
    across: str
    unit: str
    log: bool = False

    def draw(self) -> str:
        """The whole SVG."""
        marks = self._marks()
        parts = [*_begin(_TOP + _PLOT + _BOTTOM)]
        for mark in marks:
            y = self._y(mark, marks)
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>')
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{_INK}">{figure(mark)}</text>')
        bottom = _TOP + _PLOT
        for number, name in enumerate(self.x):
            x = f"{self._x(number):.1f}"
            parts.append(f'<text x="{x}" y="{bottom + 20}" text-anchor="middle" fill="{_INK}">{escape(name)}</text>')
        for number, (name, values) in enumerate(self.series.items()):
            parts += self._line(number, name, values, marks)
        parts.append(
            f'<text x="{_LEFT}" y="{bottom + 38}" fill="{_INK}" font-size="11">'
            f"{escape(self.unit)}, over {escape(self.across)}</text>"
        )
        return _end(parts)

    def _line(self, number: int, name: str, values: Sequence[float], marks: Sequence[float]) -> Iterator[str]:
        colour = _COLOURS[number % len(_COLOURS)]
        points = [
            (self._x(place), self._y(value, marks)) for place, value in enumerate(values) if not math.isnan(value)
        ]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>' if points else ""
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points)
        left = _LEFT + number * (_WIDTH - _LEFT - _RIGHT) / len(self.series)
        yield f'<rect x="{left:.1f}" y="8" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{left + 18:.1f}" y="19" fill="{_INK}">{escape(name)}</text>'

    def _marks(self) -> list[float]:
        """The values with a line across: decades, or four steps from zero."""
        values = [value for line in self.series.values() for value in line if not math.isnan(value)]
        most = max(values, default=1.0) or 1.0
        if not self.log:
            return [most * step / 4 for step in range(5)]
        least = min((value for value in values if value > 0), default=most)
        return [10.0**power for power in range(math.floor(math.log10(least)), max(1, math.ceil(math.log10(most))) + 1)]

    def _x(self, number: int) -> float:
        return _LEFT + (number + 0.5) * (_WIDTH - _LEFT - _RIGHT) / len(self.x)

    def _y(self, value: float, marks: Sequence[float]) -> float:
        low, high = marks[0], marks[-1]
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return _TOP + _PLOT * (1 - (value - low) / (high - low))


def figure(value: float) -> str:
    """A number with as many digits as one reads."""
    return f"{value:,.0f}" if value >= 20 or value == int(value) else f"{value:.3g}"


def _begin(height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">'
    )
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'


def _end(parts: Sequence[str]) -> str:
    return "\n".join([*parts, "</svg>", ""])
