"""Silhouettes of clothing: sneaker, t-shirt, cap."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from screener.samples.geometry import band, ellipse, mirror, points, spline, symmetric
from screener.samples.looks import Look, tone
from screener.samples.shading import FABRIC, KNIT, LEATHER, MATTE, RUBBER, Part, seam


def sneaker(look: Look) -> list[Part]:
    base, second, trim, _ = look.colours
    collar = spline(points("10,40 16,34.5 28,35 37,30 44,33 40,44 24,46 13,45"))
    tongue = spline(points("33,40 34.5,25 38.5,21.5 44,24.5 49,37 47,44 39,46"))
    upper = spline(
        points(
            "8.5,69 8.5,69 7,57 8.5,44 10,35.5 12.5,34.5 16,39.5 24,43 32,41.5 37.5,35.5 42,34.5 50,41 62,49.5 "
            "74,55 85,57.5 92.5,62 94.5,69 94.5,69"
        )
    )
    toe = spline(points("77.5,56 77.5,56 86,57.8 93,62.5 94.7,69 94.7,69 80,69.5 80,69.5 76,62"))
    heel = spline(points("8.3,69 8.3,69 6.8,57 8.3,45 10,37 10,37 15.5,44 18.5,55 25,69 25,69"))
    stay = spline(points("37.5,36 37.5,36 43,35.2 52,42.5 66,51.5 70,56 66,60 54,55.5 43,49 38.5,43"))
    foxing = spline(points("25,69 25,69 34,64.5 55,65.5 78,64 94.5,66.5 94.5,70 94.5,70"))
    sole = spline(
        points(
            "6.5,66.5 6.5,66.5 6,73 8.5,77.5 8.5,77.5 40,77.5 60,76.5 87,77.5 94.5,74.5 96.5,69 95,66.5 95,66.5 "
            "80,69 50,70 25,69"
        )
    )
    tread = spline(points("7.5,75.5 7.5,75.5 8,80 10,80 40,79.5 60,78.5 88,80 95,76.5 95,76.5 60,75.2 40,76"))
    knots = [(0.435 + 0.055 * i, 0.395 + 0.040 * i) for i in range(5)]
    laces = [
        Part(
            band([(x + 0.030, y - 0.030), (x + 0.004, y - 0.004), (x - 0.036, y + 0.052)], 0.024),
            tone(base, 1.3),
            FABRIC,
            0.012,
        )
        for x, y in knots
    ]
    return [
        Part(collar, tone(second, 0.5), FABRIC, 0.03),
        Part(tongue, tone(base, 0.94), KNIT, 0.03, decals=look.marked((0.405, 0.285), 0.05)),
        Part(
            upper,
            base,
            KNIT,
            0.075,
            decals=look.marked((0.345, 0.575), 0.165),
            seams=tuple(seam([(0.21, 0.47), (0.30, 0.48), (0.37, 0.44)], tone(base, 0.6))),
        ),
        Part(foxing, second, LEATHER, 0.025),
        Part(
            toe,
            second,
            LEATHER,
            0.04,
            seams=tuple(seam([(0.785, 0.57), (0.775, 0.62), (0.81, 0.68)], tone(second, 1.8))),
        ),
        Part(
            heel,
            second,
            LEATHER,
            0.04,
            seams=tuple(seam(points("11.5,40 16,47 17.5,55 23.5,68"), tone(second, 1.8))),
        ),
        Part(stay, trim, LEATHER, 0.022),
        *laces,
        Part(tread, tone(second, 0.55), RUBBER, 0.015),
        Part(sole, tone(base, 1.4), RUBBER, 0.035, decals=look.worded((0.37, 0.735), 0.24, trim, tallest=0.034)),
    ]


def tshirt(look: Look) -> list[Part]:
    base, second, _, _ = look.colours
    body = spline(
        symmetric(
            points(
                "58.5,14.5 58.5,14.5 70,18.5 78,24 95.5,42 95.5,42 83.5,52.5 83.5,52.5 74.5,44 74.5,44 73.5,60 "
                "75.5,92.5 75.5,92.5 60,94"
            )
        )
    )
    neck = ellipse(0.5, 0.155, 0.092, 0.055)
    collar = spline([*symmetric(points("59.5,13.8 59.5,13.8 58.5,19 55,23.2")), (0.405, 0.138)])
    folds = [
        Part(spline(points("29,56 33.5,70 31,89 32,70")), tone(base, 0.94), FABRIC, 0.05, lift=0.10),
        Part(spline(points("70,54 65.5,72 68,89 67,70")), tone(base, 0.94), FABRIC, 0.05, lift=0.10),
        Part(spline(points("43,74 47,82 45,91 45.5,82")), tone(base, 0.94), FABRIC, 0.05, lift=0.10),
        Part(spline(points("76,33 82,37 87,43 81,38.5")), tone(base, 0.94), FABRIC, 0.03, lift=0.10),
        Part(spline(points("24,33 18,37 13,43 19,38.5")), tone(base, 0.94), FABRIC, 0.03, lift=0.10),
    ]
    sleeve = seam([(0.935, 0.405), (0.815, 0.505)], tone(base, 0.6))
    left = [(colour, mirror(outline)) for colour, outline in sleeve]
    hem = seam([(0.248, 0.905), (0.5, 0.92), (0.752, 0.905)], tone(base, 0.6))
    print_ = look.marked((0.5, 0.43), 0.24) + look.worded((0.5, 0.615), 0.34)
    return [
        Part(neck, tone(base, 0.45), FABRIC, 0.02),
        Part(
            body,
            base,
            FABRIC,
            0.085,
            holes=(ellipse(0.5, 0.145, 0.088, 0.085),),
            seams=tuple(sleeve + left + hem),
            decals=print_,
        ),
        *folds,
        Part(collar, second, KNIT, 0.018, holes=(ellipse(0.5, 0.135, 0.082, 0.08),)),
    ]


def cap(look: Look) -> list[Part]:
    base, second, trim, _ = look.colours
    crown = spline(points("13,60 13,60 14,42 24,26.5 42,20.5 58,23 70,33 75.5,46 76.5,58.5 76.5,58.5 55,62.5 32,63"))
    front = spline(
        points("44,20.7 44,20.7 58,23 70,33 75.5,46 76.5,58.5 76.5,58.5 60,61.5 40,62.8 40,62.8 36.5,50 38,33")
    )
    brim = spline(points("40,62.2 40,62.2 58,60 76.6,57.5 87,60.5 95.5,66.5 96.5,70.5 90,71.5 76,69 58,68 46,67"))
    under = spline(points("46,66 60,67.2 78,68.5 95,70.5 90,72.8 74,71 58,70"))
    rows = [
        seam(
            [
                (0.45 + i * 0.012, 0.648 - i * 0.013),
                (0.62 + i * 0.02, 0.645 - i * 0.013),
                (0.79 + i * 0.012, 0.648 - i * 0.01),
                (0.93, 0.685 - i * 0.006),
            ],
            tone(second, 0.6),
            0.002,
        )
        for i in range(3)
    ]
    panel = seam(points("42,21 37,36 36,50 39,62"), tone(base, 0.6))
    panel += seam([(0.26, 0.265), (0.215, 0.40), (0.205, 0.60)], tone(base, 0.6))
    return [
        Part(under, tone(second, 0.4), MATTE, 0.01),
        Part(
            crown, base, FABRIC, 0.12, seams=tuple(panel), decals=look.worded((0.25, 0.545), 0.18, trim, tallest=0.03)
        ),
        Part(front, base, FABRIC, 0.10, lift=0.12, decals=look.marked((0.575, 0.425), 0.20)),
        Part(ellipse(0.425, 0.205, 0.03, 0.016), second, FABRIC, 0.012),
        Part(ellipse(0.29, 0.36, 0.012, 0.012), tone(base, 0.4), MATTE, 0.006, lift=0.0),
        Part(brim, second, FABRIC, 0.035, seams=tuple(stitch for row in rows for stitch in row)),
    ]


WEAR: Mapping[str, Callable[[Look], list[Part]]] = MappingProxyType({"sneaker": sneaker, "tshirt": tshirt, "cap": cap})
