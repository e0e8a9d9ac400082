"""Numbers as points of a drawing: what the templates need for a plot without a script."""

from collections.abc import Sequence

WIDTH, HEIGHT = 600, 120
"""Units of a plot's `viewBox`."""
_TOP = 8


def line(values: Sequence[float], most: float | None = None) -> str:
    """The values as points of a `polyline`, from left to right; `most` (default: the largest) is at the top."""
    top = max(most if most is not None else max(values, default=0), 1e-9)
    step = WIDTH / max(len(values) - 1, 1)
    return " ".join(f"{n * step:.1f},{HEIGHT - value / top * (HEIGHT - _TOP):.1f}" for n, value in enumerate(values))


def area(values: Sequence[float], most: float | None = None) -> str:
    """The values as points of a `polygon` that stands on the axis."""
    return f"0,{HEIGHT} {line(values, most)} {WIDTH},{HEIGHT}"


def bar(value: float, most: float) -> float:
    """The width of a bar in per cent, 0 to 100."""
    return round(min(abs(value) / most, 1) * 100, 1) if most > 0 else 0.0
