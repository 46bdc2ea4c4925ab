"""Charts as SVG text: sharp at any size, coloured by the page's own style so that light, dark and print just work.

Written by hand rather than drawn by a plotting library because a page of ten charts stays small, needs no script, and
its colours follow the reader's. Classes ``s0`` … ``s5`` colour the series; ``axis``, ``grid`` and ``note`` the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from filigrane.eval.metrics import Float

WIDTH, HEIGHT = 520, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 46
_ROW, _PER_ROW = 18, 3
_MOST_POINTS = 240


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``low`` to ``high``, with ``ticks`` at values; ``warp`` turns values into distances along the axis."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    warp: Callable[[Float], Float] = np.asarray
    form: str = "{:g}"

    def place(self, values: Float) -> Float:
        """Shares (0 to 1) of the way along the axis, values outside moved to its ends."""
        low, high = self.warp(np.array([self.low, self.high]))
        return np.asarray((self.warp(np.clip(values, self.low, self.high)) - low) / (high - low))


@dataclass(frozen=True, slots=True)
class Line:
    """A line through (x, y), with a band from ``low`` to ``high`` where they are given."""

    name: str
    x: Float
    y: Float
    low: Float | None = None
    high: Float | None = None
    dashed: bool = False
    dots: bool = False
    area: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its interval; ``note`` stands at its right."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Lines over two axes, each named in a legend where there are several."""
    parts = [_frame(x, y)]
    solid = [line for line in lines if not line.dashed]
    for line in lines:
        style = "guide" if line.dashed else f"s{solid.index(line) % 6}"
        parts.append(_line(line, x, y, style))
    legend = _legend(solid) if len(solid) > 1 else ""
    above = _ROW * -(-len(solid) // _PER_ROW) if legend else 0
    return _svg(title, "".join(parts) + legend, HEIGHT, above)


def bars(title: str, axis: Axis, items: Sequence[Bar], *, mark: float | None = None) -> str:
    """Horizontal bars with whiskers, one below the other; a dashed line at ``mark``."""
    left, step = 150, 22
    height = step * len(items) + 46
    across = WIDTH - left - 70
    parts = []
    for tick in axis.ticks:
        at = left + across * float(axis.place(np.array([tick]))[0])
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="4" x2="{at:.1f}" y2="{height - 36}"/>')
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{height - 20}" text-anchor="middle">{axis.form.format(tick)}</text>'
        )
    for row, item in enumerate(items):
        parts.append(_bar(item, axis, left, across, 6 + step * row))
    if mark is not None:
        at = left + across * float(axis.place(np.array([mark]))[0])
        parts.append(f'<line class="guide" x1="{at:.1f}" y1="4" x2="{at:.1f}" y2="{height - 36}"/>')
    parts.append(
        f'<text class="label" x="{left + across / 2}" y="{height - 5}" text-anchor="middle">{escape(axis.label)}</text>'
    )
    return _svg(title, "".join(parts), height)


def _bar(item: Bar, axis: Axis, left: float, across: float, top: float) -> str:
    start, end = (left + across * float(v) for v in axis.place(np.array([axis.low, item.value])))
    name = item.name if len(item.name) <= 22 else item.name[:21] + "…"
    told = f"{item.name}: {item.value:.4f}"
    text = [
        f'<text class="name" x="{left - 8}" y="{top + 12}" text-anchor="end">{escape(name)}</text>',
        f'<rect class="s0 fill bar" x="{start:.1f}" y="{top + 2}" width="{max(0.5, end - start):.1f}" height="12"/>',
    ]
    if item.low is not None and item.high is not None:
        low, high = (left + across * float(v) for v in axis.place(np.array([item.low, item.high])))
        told += f" [{item.low:.4f}, {item.high:.4f}]"
        text.append(
            f'<path class="whisker" d="M{low:.1f},{top + 4}v8M{low:.1f},{top + 8}H{high:.1f}M{high:.1f},{top + 4}v8"/>'
        )
    text.append(f'<text class="tick" x="{left + across + 8}" y="{top + 12}">{escape(item.note)}</text>')
    return f"<g><title>{escape(told)} {escape(item.note)}</title>{''.join(text)}</g>"


def _frame(x: Axis, y: Axis) -> str:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for tick in x.ticks:
        at = _across(x, np.array([tick]))[0]
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{x.form.format(tick)}</text>'
        )
    for tick in y.ticks:
        at = _down(y, np.array([tick]))[0]
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y.form.format(tick)}</text>'
        )
    middle = (_TOP + bottom) / 2
    parts.append(f'<path class="axis" d="M{_LEFT},{_TOP}V{bottom}H{right}"/>')
    parts.append(
        f'<text class="label" x="{(_LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>'
    )
    turned = f'transform="rotate(-90 14 {middle})" text-anchor="middle"'
    parts.append(f'<text class="label" x="14" y="{middle}" {turned}>{escape(y.label)}</text>')
    return "".join(parts)


def _across(axis: Axis, values: Float) -> Float:
    return np.asarray(_LEFT + axis.place(values) * (WIDTH - _RIGHT - _LEFT))


def _down(axis: Axis, values: Float) -> Float:
    return np.asarray(HEIGHT - _BOTTOM - axis.place(values) * (HEIGHT - _BOTTOM - _TOP))


def _line(line: Line, x: Axis, y: Axis, style: str) -> str:
    chosen = np.unique(np.linspace(0, len(line.x) - 1, min(len(line.x), _MOST_POINTS)).round().astype(int))
    if len(line.x) > _MOST_POINTS:
        # evenly along the drawn curve, not along the data, so that steep parts keep their shape
        steps = np.hypot(np.diff(_across(x, line.x)), np.diff(_down(y, line.y)))
        way = np.concatenate([[0.0], np.cumsum(steps)])
        chosen = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _MOST_POINTS)).clip(0, len(line.x) - 1))
    across, down = _across(x, line.x)[chosen], _down(y, line.y)[chosen]
    points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
    parts = []
    if line.low is not None and line.high is not None:
        edges = [*zip(across, _down(y, line.high)[chosen], strict=True)]
        edges += [*zip(across[::-1], _down(y, line.low)[chosen][::-1], strict=True)]
        parts.append(f'<polygon class="{style} band" points="{" ".join(f"{a:.1f},{d:.1f}" for a, d in edges)}"/>')
    if line.area:
        floor = HEIGHT - _BOTTOM
        parts.append(
            f'<polygon class="{style} band" points="{across[0]:.1f},{floor} {points} {across[-1]:.1f},{floor}"/>'
        )
    parts.append(f'<polyline class="{style} line" points="{points}"/>')
    if line.dots:
        parts += [
            f'<circle class="{style} fill" cx="{a:.1f}" cy="{d:.1f}" r="3"/>' for a, d in zip(across, down, strict=True)
        ]
    return f"<g><title>{escape(line.name)}</title>{''.join(parts)}</g>"


def _legend(lines: Sequence[Line]) -> str:
    """The names of the series, above the chart so that they hide nothing."""
    parts = []
    above = _ROW * -(-len(lines) // _PER_ROW)
    for number, line in enumerate(lines):
        row, column = divmod(number, _PER_ROW)
        left, top = _LEFT + column * (WIDTH - _LEFT) / _PER_ROW, _ROW * row - above + 4
        parts.append(f'<rect class="s{number % 6} fill" x="{left:.1f}" y="{top}" width="14" height="4" rx="2"/>')
        parts.append(f'<text class="name" x="{left + 20:.1f}" y="{top + 6}">{escape(line.name)}</text>')
    return "".join(parts)


def _svg(title: str, content: str, height: float, above: float = 0) -> str:
    return (
        f'<svg viewBox="0 {-above:g} {WIDTH} {height + above:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )
