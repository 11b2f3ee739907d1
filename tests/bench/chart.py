"""Plots, as SVG without further tools: one panel beside the other, lines over a logarithmic axis."""
import math
from html import escape

COLOURS = {"prefork": "#64748b", "itk": "#d97706", "event": "#2563eb", "itk2": "#0f766e"}
WIDTHS = {"itk2": 3}
DASHES = {"prefork": "6 4"}
INK, GRID, PAPER = "#1e293b", "#e2e8f0", "#ffffff"
PANEL_WIDTH, PANEL_HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM, GAP = 66, 18, 66, 48, 76


def _short(number):
    for limit, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= limit:
            return f"{number / limit:g}{letter}"
    return f"{number:g}"


def _steps(most):
    """Round numbers from 0 to at least `most`."""
    rough = most / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def _decades(least, most):
    return [10.0 ** power for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]


class Panel:
    """series: {kind: [(x, y)]}; a y of None is a gap. The x axis has the places that were measured."""

    def __init__(self, title, series, is_logarithmic, left):
        self.title, self.series, self.is_logarithmic, self.left = title, series, is_logarithmic, left
        self.places = sorted({x for points in series.values() for x, _ in points})
        values = [y for points in series.values() for _, y in points if y is not None and (y > 0 or not is_logarithmic)]
        values = values or [1]
        self.ticks = _decades(min(values), max(values)) if is_logarithmic else _steps(max(values) or 1)
        if len(self.ticks) == 1:
            self.ticks.append(self.ticks[0] * 10)

    def _x(self, place):
        """By rank: the places go up by factors, and 0 is one of them."""
        return self.left + (self.places.index(place) + 0.5) * PANEL_WIDTH / len(self.places)

    def _y(self, value):
        if self.is_logarithmic:
            low, high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
            share = (math.log10(value) - low) / (high - low)
        else:
            share = value / self.ticks[-1]
        return TOP + PANEL_HEIGHT * (1 - share)

    def lines(self, x_name):
        yield f'<text x="{self.left}" y="{TOP - 14}" class="title">{escape(self.title)}</text>'
        for tick in self.ticks:
            y = self._y(tick)
            yield f'<line x1="{self.left}" x2="{self.left + PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
            yield f'<text x="{self.left - 8}" y="{y + 4:.1f}" class="tick" text-anchor="end">{_short(tick)}</text>'
        for place in self.places:
            yield (f'<text x="{self._x(place):.1f}" y="{TOP + PANEL_HEIGHT + 18}" class="tick" text-anchor="middle">'
                   f'{_short(place)}</text>')
        yield (f'<text x="{self.left + PANEL_WIDTH / 2}" y="{TOP + PANEL_HEIGHT + 38}" class="axis" '
               f'text-anchor="middle">{escape(x_name)}</text>')
        for kind, points in self.series.items():
            yield from self._curve(kind, points)

    def _curve(self, kind, points):
        known = [(self._x(x), self._y(y)) for x, y in points
                 if y is not None and (y > 0 or not self.is_logarithmic)]
        if not known:
            return
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in known)
        dash = f' stroke-dasharray="{DASHES[kind]}"' if kind in DASHES else ""
        yield (f'<polyline points="{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="{WIDTHS.get(kind, 2)}" '
               f'stroke-linejoin="round"{dash}/>')
        for x, y in known:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.5 if kind in WIDTHS else 3}" fill="{COLOURS[kind]}"/>'


def _legend(names, kinds):
    x = LEFT
    for kind in kinds:
        dash = f' stroke-dasharray="{DASHES[kind]}"' if kind in DASHES else ""
        yield (f'<line x1="{x}" x2="{x + 26}" y1="22" y2="22" stroke="{COLOURS[kind]}" '
               f'stroke-width="{WIDTHS.get(kind, 2)}"{dash}/>')
        yield f'<text x="{x + 33}" y="26" class="axis">{escape(names[kind])}</text>'
        x += 60 + 7 * len(names[kind])


def draw(names, x_name, rates, latencies):
    """One SVG: requests per second on the left, 99th percentile on the right."""
    panels = (Panel("requests per second", rates, False, LEFT),
              Panel("99th percentile of the latency, ms", latencies, True, LEFT + PANEL_WIDTH + GAP))
    width, height = LEFT + 2 * PANEL_WIDTH + GAP + RIGHT, TOP + PANEL_HEIGHT + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
             f'height="{height}" font-family="sans-serif" fill="{INK}">',
             "<style>.title{font-size:14px;font-weight:bold}.axis{font-size:13px}.tick{font-size:12px}</style>",
             f'<rect width="{width}" height="{height}" fill="{PAPER}" rx="8"/>', *_legend(names, rates)]
    for panel in panels:
        parts += panel.lines(x_name)
    return "\n".join([*parts, "</svg>"]) + "\n"
