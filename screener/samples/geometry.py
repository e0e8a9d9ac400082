"""Outlines in the unit square (x right, y down) that marks and products are composed of."""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Outline = tuple[Point, ...]


def points(text: str) -> list[Point]:
    """Points as SVG writes them: "x,y x,y ..." (per cent of the unit square)."""
    pairs = (pair.split(",") for pair in text.split())
    return [(float(x) / 100, float(y) / 100) for x, y in pairs]


def spline(through: Sequence[Point], *, closed: bool = True, steps: int = 10) -> Outline:
    """A Catmull-Rom curve through the points; a point given twice makes a corner."""
    count = len(through)
    spans = count if closed else count - 1
    curve: list[Point] = []
    for span in range(spans):
        if closed:
            p0, p1, p2, p3 = (through[(span + offset) % count] for offset in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (through[min(max(span + offset, 0), count - 1)] for offset in (-1, 0, 1, 2))
        if p1 == p2:
            continue
        for step in range(steps):
            t = step / steps
            curve.append((_cubic(p0[0], p1[0], p2[0], p3[0], t), _cubic(p0[1], p1[1], p2[1], p3[1], t)))
    if not closed:
        curve.append(through[-1])
    return tuple(curve)


def _cubic(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)


def ellipse(
    cx: float, cy: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0, steps: int = 72
) -> Outline:
    """An ellipse, or the part of it between two angles (degrees, clockwise from the right)."""
    angles = [math.radians(start + (stop - start) * step / steps) for step in range(steps + 1)]
    return tuple((cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Outline:
    """A rectangle, with rounded corners if a radius is given."""
    if radius <= 0:
        return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    corners = ((x1 - radius, y0 + radius, -90), (x1 - radius, y1 - radius, 0), (x0 + radius, y1 - radius, 90))
    outline: Outline = ()
    for cx, cy, start in (*corners, (x0 + radius, y0 + radius, 180)):
        outline += ellipse(cx, cy, radius, radius, start, start + 90, steps=10)
    return outline


def band(line: Sequence[Point], widths: float | Sequence[float]) -> Outline:
    """A strip of the given width (one, or one for each point) along an open line of points."""
    many = [widths] * len(line) if isinstance(widths, float | int) else list(widths)
    left: list[Point] = []
    right: list[Point] = []
    for position, (x, y) in enumerate(line):
        before, after = line[max(position - 1, 0)], line[min(position + 1, len(line) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        half = many[position] / 2
        left.append((x - dy / length * half, y + dx / length * half))
        right.append((x + dy / length * half, y - dx / length * half))
    return (*left, *reversed(right))


def mirror(outline: Outline) -> Outline:
    """The outline reflected left to right."""
    return tuple((1.0 - x, y) for x, y in outline)


def turn(outline: Outline, degrees: float, centre: Point = (0.5, 0.5)) -> Outline:
    """The outline rotated clockwise about a centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cx, cy = centre
    return tuple((cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos) for x, y in outline)


def symmetric(right: Sequence[Point]) -> list[Point]:
    """A closed list of points from those of its right half (top to bottom), reflected about x = 0.5."""
    return [*right, *((1.0 - x, y) for x, y in reversed(right))]
