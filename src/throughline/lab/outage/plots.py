"""Bars as SVG for a page: small, without scripts, readable at the width of a phone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 360
LEFT, TOP, LABELS = 40, 8, 34
HEIGHT = 150


@dataclass(frozen=True, slots=True)
class Series:
    """The bars of one arm: numbers by group, in order; `css` names their colour."""

    name: str
    css: str
    values: Sequence[float]


def columns(title: str, groups: Sequence[str], series: Sequence[Series]) -> str:
    """Upright bars, side by side in each group."""
    most = _round_up(max((max(one.values, default=0.0) for one in series), default=0.0))
    floor = TOP + HEIGHT
    step = (WIDTH - LEFT - 4) / max(1, len(groups))
    wide = step * 0.8 / max(1, len(series))
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = floor - HEIGHT * share
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="y" x="{LEFT - 4}" y="{y + 4:.1f}">{_short(most * share)}</text>')
    for place, group in enumerate(groups):
        x = LEFT + step * place + step * 0.1
        for number, one in enumerate(series):
            tall = HEIGHT * one.values[place] / most
            parts.append(
                f'<rect class="{one.css}" x="{x + wide * number:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}"><title>{escape(one.name)}, {escape(group)}: {_short(one.values[place])}</title></rect>'
            )
        for number, line in enumerate(_lines(group, step)):
            parts.append(
                f'<text class="x" x="{x + step * 0.4:.1f}" y="{floor + 14 + 11 * number}">{escape(line)}</text>'
            )
    return _svg(title, TOP + HEIGHT + LABELS, parts)


def shares(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, str, float, float, float]]]]) -> str:
    """Lying bars of shares with their intervals: (label, [(arm, css, value, low, high)])."""
    parts = []
    y = 6.0
    scale = WIDTH - 12
    for label, bars in rows:
        parts.append(f'<text class="label" x="4" y="{y + 10:.1f}">{escape(label)}</text>')
        y += 15
        for name, css, value, low, high in bars:
            parts.append(
                f'<rect class="{css}" x="4" y="{y:.1f}" width="{scale * value:.1f}" height="8">'
                f"<title>{escape(name)}, {escape(label)}: {value:.1%}</title></rect>"
                f'<line class="error" x1="{4 + scale * low:.1f}" x2="{4 + scale * high:.1f}" y1="{y + 4:.1f}" y2="{y + 4:.1f}"/>'
            )
            y += 11
        y += 5
    for mark in (0.0, 0.5, 0.95, 1.0):
        x = 4 + scale * mark
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{y:.1f}"/>')
        if mark != 1.0:
            parts.append(f'<text class="x" x="{max(x, 10):.1f}" y="{y + 12:.1f}">{mark:.0%}</text>')
    return _svg(title, y + 18, parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _lines(label: str, wide: float) -> list[str]:
    """A label on two lines where one is too narrow for it: at a space, or in the middle of Chinese."""
    size = sum(10.0 if ord(one) > 0x2E80 else 5.4 for one in label)
    if size <= wide:
        return [label]
    words = label.split(" ")
    if len(words) == 1:
        return (
            [label] if label.isascii() else [label[: (len(label) + 1) // 2], label[(len(label) + 1) // 2 :]]
        )
    cut = min(range(1, len(words)), key=lambda one: abs(len(" ".join(words[:one])) - len(label) / 2))
    return [" ".join(words[:cut]), " ".join(words[cut:])]


def _round_up(most: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= most:
        power *= 10
    while power > most:
        power /= 10
    return next(power * step for step in (1, 2, 5, 10) if power * step >= most)


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if value >= 10_000:
        return f"{value / 1_000:.3g}k"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
