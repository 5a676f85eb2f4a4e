"""Draws a waterfall: as lines for a terminal, and as SVG. Pure.

What failed differs by its pattern as well as its colour; the two colours differ for everybody (Okabe and Ito's palette)
and stand out on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from rich.text import Text

from streams_app.systems.trace_store.waterfall import Bar, Mark, Outcome, Waterfall, span, tick_label, ticks

_BLOCKS: Final = {Outcome.ANSWERED: "█", Outcome.FAILED: "▚", Outcome.OPEN: "░"}
_STYLES: Final = {Outcome.ANSWERED: "#0072b2", Outcome.FAILED: "bold #d55e00", Outcome.OPEN: "dim"}
_MARK, _FAILED_MARK = "◆", "✖"
_NAME, _TOOK = 12, 10
_LEGEND: Final = (
    (f"{_BLOCKS[Outcome.ANSWERED]} answered", _STYLES[Outcome.ANSWERED]),
    (f"{_BLOCKS[Outcome.FAILED]} failed", _STYLES[Outcome.FAILED]),
    (f"{_BLOCKS[Outcome.OPEN]} no answer", _STYLES[Outcome.OPEN]),
    (f"{_MARK} status", ""),
    (f"{_FAILED_MARK} failed status", _STYLES[Outcome.FAILED]),
)

# The SVG, in pixels.
_LEFT, _PLOT, _RIGHT, _TOP, _ROW, _THICK = 120, 600, 90, 84, 18, 12
_CSS: Final = """
  text { font: 12px system-ui, sans-serif; fill: #1f2933; }
  .title { font-size: 15px; font-weight: 600; }
  .small { font-size: 11px; fill: #52606d; }
  .ground { fill: #ffffff; }
  .grid { stroke: #d5dbe1; }
  .answered { fill: #0072b2; }
  .failed { fill: url(#failed); stroke: #d55e00; }
  .open { fill: none; stroke: #7b8794; stroke-dasharray: 3 2; }
  .mark { fill: #7b8794; }
  .mark-failed { fill: none; stroke: #d55e00; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; }
    .small { fill: #9aa5b1; }
    .ground { fill: #15191e; }
    .grid { stroke: #364049; }
    .answered { fill: #56b4e9; }
  }
"""


def terminal(picture: Waterfall, width: int) -> Iterator[Text]:
    """Its lines, on a terminal of `width` columns."""
    plot = max(width - _NAME - _TOOK - 2, 20)
    yield Text(f"Session {picture.session_id}", "bold")
    yield Text(_summary(picture))
    yield Text("  ").join(Text(*entry) for entry in _LEGEND)
    yield _axis(picture, plot)
    if picture.marks:
        yield Text(f"{'status':<{_NAME}} ").append_text(_marks_line(picture, plot))
    for bar in picture.bars:
        first = _column(picture, bar.start, plot)
        cells = max(_column(picture, bar.end, plot) - first, 1)
        line = Text(f"{_short(bar.name, _NAME):<{_NAME}} {' ' * first}")
        line.append(_BLOCKS[bar.outcome] * cells, _STYLES[bar.outcome])
        line.append(f"{' ' * (plot - first - cells)} {_took(bar):>{_TOOK}}")
        yield line
    for note in picture.notes:
        yield Text(note, "italic")


def svg(picture: Waterfall) -> str:
    """The whole file. It is readable on light and on dark ground, and says what it shows to those who hear it."""
    rows = len(picture.bars) + bool(picture.marks)
    height = _TOP + rows * _ROW + 30 + len(picture.notes) * 16
    width = _LEFT + _PLOT + _RIGHT
    title = f"Session {picture.session_id}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title what">',
        f'<title id="title">{title}</title><desc id="what">{_summary(picture)}</desc>',
        f"<style>{_CSS}</style>",
        '<defs><pattern id="failed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" fill="#d55e00"/><rect width="2" height="6" fill="#ffffff"/></pattern></defs>',
        f'<rect class="ground" width="{width}" height="{height}"/>',
        f'<text class="title" x="12" y="24">{title}</text><text class="small" x="12" y="42">{_summary(picture)}</text>',
        *_svg_legend(),
        *_svg_axis(picture, _TOP + rows * _ROW + 4),
    ]
    if picture.marks:
        parts += _svg_marks(picture)
    for number, bar in enumerate(picture.bars):
        parts += _svg_bar(picture, bar, _TOP + (number + bool(picture.marks)) * _ROW)
    for number, note in enumerate(picture.notes):
        parts.append(f'<text class="small" x="12" y="{height - 8 - number * 16}">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _summary(picture: Waterfall) -> str:
    began = f"{picture.began:%Y-%m-%d %H:%M:%S %Z}"
    return f"{picture.events:,} events in {span(picture.length)}, from {began}"


def _took(bar: Bar) -> str:
    return "no answer" if bar.outcome is Outcome.OPEN else span(bar.took)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _column(picture: Waterfall, at: float, plot: int) -> int:
    return min(int(at / picture.length * plot), plot - 1) if picture.length else 0


def _axis(picture: Waterfall, plot: int) -> Text:
    cells = [" "] * (plot + _TOOK)
    for place in ticks(picture.length, plot // 14 + 1):
        column, label = _column(picture, place, plot), f"|{tick_label(place)}"
        cells[column : column + len(label)] = label
    return Text(f"{'':<{_NAME}} {''.join(cells).rstrip()}", "dim")


def _marks_line(picture: Waterfall, plot: int) -> Text:
    cells: list[Mark | None] = [None] * plot
    for mark in picture.marks:
        column = _column(picture, mark.at, plot)
        # Of several in one place a failure is seen.
        if cells[column] is None or mark.failed:
            cells[column] = mark
    line = Text()
    for cell in cells:
        if cell is None:
            line.append(" ")
        else:
            line.append(_FAILED_MARK if cell.failed else _MARK, _STYLES[Outcome.FAILED] if cell.failed else "")
    return line


def _x(picture: Waterfall, at: float) -> float:
    return _LEFT + (at / picture.length * _PLOT if picture.length else 0.0)


def _svg_legend() -> Iterator[str]:
    y, x = 60, 12
    for outcome, words in ((Outcome.ANSWERED, "answered"), (Outcome.FAILED, "failed"), (Outcome.OPEN, "no answer")):
        yield f'<rect class="{outcome}" x="{x}" y="{y - 10}" width="18" height="{_THICK}"/>'
        yield f'<text x="{x + 24}" y="{y}">{words}</text>'
        x += 104
    yield f'{_svg_mark(x, y - 4, False)}<text x="{x + 12}" y="{y}">status</text>'
    yield f'{_svg_mark(x + 84, y - 4, True)}<text x="{x + 96}" y="{y}">failed status</text>'


def _svg_axis(picture: Waterfall, bottom: int) -> Iterator[str]:
    for place in ticks(picture.length):
        x = _x(picture, place)
        yield f'<path class="grid" d="M{x:.1f} {_TOP - 4}V{bottom}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{tick_label(place)}</text>'


def _svg_marks(picture: Waterfall) -> Iterator[str]:
    middle = _TOP + _ROW // 2
    yield f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">status</text>'
    # What failed is drawn last: it is seen.
    for mark in sorted(picture.marks, key=lambda mark: mark.failed):
        yield _svg_mark(_x(picture, mark.at), middle, mark.failed, f"{mark.status} after {span(mark.at)}")


def _svg_mark(x: float, y: float, failed: bool, title: str = "") -> str:
    if failed:
        path = f'class="mark-failed" d="M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8"'
    else:
        path = f'class="mark" d="M{x:.1f} {y - 5}l4 5l-4 5l-4 -5z"'
    return f"<path {path}>{f'<title>{title}</title>' if title else ''}</path>"


def _svg_bar(picture: Waterfall, bar: Bar, top: int) -> Iterator[str]:
    start, end = _x(picture, bar.start), _x(picture, bar.end)
    length, base = max(end - start, 2.0), top + _THICK - 1
    yield f'<text x="{_LEFT - 8}" y="{base}" text-anchor="end">{escape(_short(bar.name, 16))}</text>'
    yield (
        f'<rect class="{bar.outcome}" x="{start:.1f}" y="{top + 1}" width="{length:.1f}" height="{_THICK}">'
        f"<title>{escape(bar.name)} {bar.correlation_id}: {bar.outcome}, {span(bar.took)}, "
        f"begun after {span(bar.start)}</title></rect>"
    )
    yield f'<text class="small" x="{start + length + 6:.1f}" y="{base}">{_took(bar)}</text>'
