"""Silhouettes of things carried: handbag, backpack, watch, headphones."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from screener.samples.geometry import band, box, ellipse, mirror, points, spline, symmetric, turn
from screener.samples.looks import Look, tone
from screener.samples.shading import FABRIC, KNIT, LEATHER, MATTE, METAL, PLASTIC, Part, seam


def handbag(look: Look) -> list[Part]:
    base, second, trim, ink = look.colours
    body = spline(symmetric(points("50,39.5 74,40 77.5,42 83,62 86,85.5 83.5,88.5 50,89.5")))
    flap = spline(symmetric(points("50,37.5 73.5,38 77.5,41 80,56 79,61 66,65.5 50,67.5")))
    arch = spline(
        points("30,42 31.5,24 40,13 50,10.5 60,13 68.5,24 70,42"),
        closed=False,
    )
    edge = points("20.5,43 18.5,60 15.5,86 50,87.6 84.5,86 81.5,60 79.5,43")
    lip = points("22.5,40 21.2,56 22.5,60 35,64 50,65.8 65,64 77.5,60 78.8,56 77.5,40")
    thread = tone(ink, 0.9)
    rings = [
        Part(ellipse(x, 0.425, 0.030, 0.036), trim, METAL, 0.012, holes=(ellipse(x, 0.425, 0.018, 0.023),))
        for x in (0.30, 0.70)
    ]
    return [
        Part(
            band(
                spline(
                    points("33,40 34.5,26 42,16.5 50,14.5 58,16.5 65.5,26 67,40"),
                    closed=False,
                ),
                0.026,
            ),
            tone(second, 0.6),
            LEATHER,
            0.014,
        ),
        Part(
            body,
            base,
            LEATHER,
            0.055,
            decals=look.patterned((0.20, 0.46, 0.84, 0.88), tone(base, 1.25))
            + look.worded((0.5, 0.79), 0.28, ink, tallest=0.045),
            seams=tuple(seam(edge, thread)),
        ),
        Part(
            flap,
            tone(second, 1.05),
            LEATHER,
            0.04,
            seams=tuple(seam(lip, thread)),
            decals=look.marked((0.5, 0.505), 0.145, look.ink_on(tone(second, 1.05))),
        ),
        Part(box(0.455, 0.635, 0.545, 0.70, 0.015), trim, METAL, 0.014),
        Part(box(0.485, 0.655, 0.515, 0.685, 0.008), tone(trim, 0.5), METAL, 0.006, lift=0.1),
        *rings,
        Part(band(arch, 0.034), second, LEATHER, 0.017, seams=tuple(seam(arch[::6], thread, 0.002))),
    ]


def backpack(look: Look) -> list[Part]:
    base, second, trim, _ = look.colours
    body = spline(symmetric(points("50,13 64,14 73.5,21 77.5,36 79,70 77.5,87 70,91 50,91.5")))
    lid = spline(symmetric(points("50,11.5 65,13 74.5,20.5 77.5,33 74,37.5 50,39.5")))
    pocket = spline(symmetric(points("50,53 68,53.5 71.5,57 72.5,80 69,85.5 50,86.2")))
    side = spline(points("77.5,56 84,58 85.5,72 84,86 76,88 76,88"))
    loop = spline(points("43,14 44,7 50,5 56,7 57,14"), closed=False)
    straps = [
        Part(
            band([(x, 0.36), (x + 0.004, 0.58)], 0.038),
            trim,
            FABRIC,
            0.014,
            seams=tuple(seam([(x, 0.40), (x, 0.56)], tone(trim, 1.8))),
        )
        for x in (0.33, 0.67)
    ]
    buckles = [
        Part(box(x - 0.030, 0.455, x + 0.030, 0.505, 0.01), tone(trim, 0.6), PLASTIC, 0.012) for x in (0.332, 0.668)
    ]
    zip_line = band(
        spline(
            points("29,61.5 30,59 33,58 50,57.8 67,58 70,59 71,61.5"),
            closed=False,
        ),
        0.012,
    )
    return [
        Part(band(loop, 0.028), trim, FABRIC, 0.014),
        Part(side, second, KNIT, 0.03),
        Part(mirror(side), second, KNIT, 0.03),
        Part(body, base, FABRIC, 0.085, decals=look.patterned((0.24, 0.40, 0.78, 0.90), tone(base, 0.85))),
        *straps,
        Part(lid, second, FABRIC, 0.07, decals=look.worded((0.5, 0.275), 0.30, look.ink_on(second), tallest=0.055)),
        *buckles,
        Part(pocket, tone(base, 0.96), FABRIC, 0.05, decals=look.marked((0.5, 0.72), 0.16)),
        Part(zip_line, tone(trim, 0.7), METAL, 0.006),
        Part(band([(0.69, 0.59), (0.70, 0.64)], 0.014), trim, METAL, 0.006),
    ]


def watch(look: Look) -> list[Part]:
    base, second, trim, ink = look.colours
    upper = spline(symmetric(points("50,2 57.5,2 58.5,5 60,20 64,33 64,33 50,33")))
    lower = tuple((x, 1 - y) for x, y in upper)
    links = [seam([(0.40, y), (0.60, y)], tone(trim, 0.55), 0.004, 1.0) for y in (0.07, 0.115, 0.16, 0.205, 0.25)]
    upper_links = tuple(line for row in links for line in row)
    lower_links = tuple((colour, tuple((x, 1 - y) for x, y in outline)) for colour, outline in upper_links)
    ticks = [
        Part(turn(box(0.494, 0.305, 0.506, 0.345 if hour % 3 else 0.36), 30 * hour), ink, METAL, 0.004, lift=0.25)
        for hour in range(12)
    ]
    hands = [
        Part(turn(band([(0.5, 0.53), (0.5, 0.375)], [0.012, 0.006]), -58), ink, METAL, 0.004),
        Part(turn(band([(0.5, 0.54), (0.5, 0.325)], [0.010, 0.004]), 62), ink, METAL, 0.004),
        Part(turn(band([(0.5, 0.56), (0.5, 0.31)], [0.004, 0.003]), 196), tone(trim, 1.3), METAL, 0.002),
        Part(ellipse(0.5, 0.5, 0.012, 0.012), base, METAL, 0.006),
    ]
    face = look.marked((0.5, 0.415), 0.062, ink) + look.worded((0.5, 0.588), 0.15, ink, tallest=0.03)
    return [
        Part(upper, trim, METAL, 0.035, seams=upper_links),
        Part(lower, trim, METAL, 0.035, seams=lower_links),
        Part(box(0.725, 0.465, 0.77, 0.535, 0.012), base, METAL, 0.016),
        Part(ellipse(0.5, 0.5, 0.245, 0.245), base, METAL, 0.03),
        Part(ellipse(0.5, 0.5, 0.218, 0.218), tone(base, 0.8), METAL, 0.012),
        Part(ellipse(0.5, 0.5, 0.200, 0.200), second, MATTE, 0.012, decals=face),
        *ticks,
        *hands,
    ]


def headphones(look: Look) -> list[Part]:
    base, second, trim, _ = look.colours
    arc = ellipse(0.5, 0.47, 0.335, 0.375, 180, 360)
    inner = ellipse(0.5, 0.47, 0.300, 0.335, 188, 352)
    yokes = [
        Part(band([(x, 0.42), (x - 0.012 * s, 0.56)], 0.034), trim, METAL, 0.012) for x, s in ((0.165, 1), (0.835, -1))
    ]
    cups: list[Part] = []
    for x, side in ((0.205, -1), (0.795, 1)):
        cups += [
            Part(ellipse(x - 0.055 * side, 0.665, 0.080, 0.165), tone(second, 0.8), LEATHER, 0.05),
            Part(ellipse(x, 0.665, 0.112, 0.185), base, PLASTIC, 0.06),
            Part(
                ellipse(x + 0.012 * side, 0.665, 0.088, 0.150),
                tone(base, 0.92),
                PLASTIC,
                0.03,
                decals=look.marked((x + 0.012 * side, 0.655), 0.13),
            ),
            Part(
                ellipse(x + 0.012 * side, 0.665, 0.094, 0.156),
                trim,
                METAL,
                0.006,
                holes=(ellipse(x + 0.012 * side, 0.665, 0.088, 0.150),),
                lift=0.1,
            ),
        ]
    return [
        Part(band(inner, 0.050), second, LEATHER, 0.022),
        Part(band(arc, 0.052), base, PLASTIC, 0.024),
        *yokes,
        *cups,
        Part(
            box(0.36, 0.085, 0.64, 0.14, 0.022),
            base,
            PLASTIC,
            0.016,
            lift=0.15,
            decals=look.worded((0.5, 0.113), 0.24, tallest=0.034),
        ),
    ]


CARRIED: Mapping[str, Callable[[Look], list[Part]]] = MappingProxyType(
    {"handbag": handbag, "backpack": backpack, "watch": watch, "headphones": headphones}
)
