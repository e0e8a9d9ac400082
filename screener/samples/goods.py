"""Silhouettes of goods: flask, mug, cosmetic jar, phone case."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from screener.samples.geometry import band, box, ellipse, points, spline, symmetric
from screener.samples.looks import Look, tone
from screener.samples.shading import GLASS, MATTE, METAL, PLASTIC, RUBBER, Material, Part

LACQUER = Material(0.38, 22)
CERAMIC = Material(0.50, 26)


def flask(look: Look) -> list[Part]:
    palette = look.palette
    body = spline(
        symmetric(points("50,25.5 56,25.8 58.5,27.5 60,32 66.5,38.5 67.2,44 67.2,92 67.2,92 65.5,95.5 50,96.5"))
    )
    lid = spline(symmetric(points("50,9.5 57.5,9.7 59.2,11.5 59.2,22.5 59.2,22.5 50,23.5")))
    loop = spline(points("42,12 42.5,4.5 50,2.5 57.5,4.5 58,12"), closed=False)
    wrap = box(0.328, 0.80, 0.672, 0.90)
    ink = look.marked((0.5, 0.535), 0.185) + look.worded((0.5, 0.715), 0.245, tallest=0.07)
    return [
        Part(band(loop, 0.030), palette.second, RUBBER, 0.014),
        Part(body, palette.base, LACQUER, form="cylinder", decals=ink),
        Part(wrap, palette.second, RUBBER, form="cylinder", lift=0.1),
        Part(box(0.405, 0.232, 0.595, 0.262), palette.trim, METAL, form="cylinder"),
        Part(lid, palette.second, PLASTIC, form="cylinder"),
        Part(box(0.405, 0.15, 0.595, 0.158), tone(palette.second, 0.6), MATTE, form="cylinder", lift=0.0),
        Part(box(0.405, 0.18, 0.595, 0.188), tone(palette.second, 0.6), MATTE, form="cylinder", lift=0.0),
    ]


def mug(look: Look) -> list[Part]:
    palette = look.palette
    body = spline(points("13,27 13,27 13.5,55 15,78 19,83.5 42,86.5 65,83.5 69,78 70.5,55 71,27 71,27 42,33"))
    handle = spline(points("68,38 80,35.5 89.5,43 89.5,57 82,67 67,71"), closed=False)
    ink = look.marked((0.42, 0.515), 0.19) + look.worded((0.42, 0.68), 0.25, tallest=0.05)
    stripes = look.patterned((0.13, 0.27, 0.71, 0.87), palette.trim, 0.058) if look.pattern == "stripes" else ()
    plate = (
        [Part(ellipse(0.42, 0.57, 0.185, 0.195), palette.base, MATTE, 0.003, lift=0.0, decals=ink)] if stripes else []
    )
    return [
        Part(band(handle, 0.058), palette.base, CERAMIC, 0.03),
        Part(body, palette.base, CERAMIC, form="cylinder", decals=stripes or ink),
        *plate,
        Part(ellipse(0.42, 0.27, 0.29, 0.062), tone(palette.base, 1.3), CERAMIC, 0.012, lift=0.0),
        Part(ellipse(0.42, 0.272, 0.268, 0.050), tone(palette.base, 0.5), MATTE, 0.02, lift=0.0),
        Part(ellipse(0.42, 0.292, 0.236, 0.030), (74, 44, 28), GLASS, 0.008, lift=0.0),
    ]


def jar(look: Look) -> list[Part]:
    palette = look.palette
    pot = spline(symmetric(points("50,47 80,47.5 82.5,50 82.5,80 81.5,85 76,88.5 50,90")))
    lid = spline(symmetric(points("50,24.5 80,25 84,27.5 84.5,45 84.5,45 50,47.5")))
    label = look.marked((0.5, 0.615), 0.125) + look.worded((0.5, 0.77), 0.34, tallest=0.06)
    return [
        Part(pot, palette.base, CERAMIC, form="cylinder", decals=label),
        Part(box(0.185, 0.455, 0.815, 0.495), tone(palette.second, 0.6), MATTE, form="cylinder"),
        Part(lid, palette.second, METAL, form="cylinder"),
        Part(ellipse(0.5, 0.258, 0.335, 0.026), tone(palette.second, 1.5), PLASTIC, 0.012, lift=0.0),
        Part(box(0.157, 0.425, 0.843, 0.433), tone(palette.trim, 0.9), METAL, form="cylinder", lift=0.0),
    ]


def phone_case(look: Look) -> list[Part]:
    palette = look.palette
    shell = box(0.265, 0.04, 0.735, 0.96, 0.065)
    island = box(0.295, 0.07, 0.50, 0.275, 0.045)
    lenses: list[Part] = []
    for x, y in ((0.352, 0.128), (0.443, 0.128), (0.352, 0.217)):
        lenses += [
            Part(ellipse(x, y, 0.038, 0.038), (70, 72, 78), METAL, 0.01),
            Part(ellipse(x, y, 0.028, 0.028), (14, 15, 22), GLASS, 0.02, lift=0.1),
            Part(ellipse(x - 0.008, y - 0.008, 0.008, 0.008), (96, 110, 160), MATTE, 0.004, lift=0.0),
        ]
    art = look.patterned((0.265, 0.04, 0.735, 0.96), tone(palette.base, 0.9), 0.094)
    ink = look.marked((0.5, 0.545), 0.20) + look.worded((0.5, 0.80), 0.27, tallest=0.055)
    return [
        Part(box(0.730, 0.30, 0.748, 0.42, 0.008), palette.second, RUBBER, 0.006),
        Part(box(0.252, 0.28, 0.270, 0.36, 0.008), palette.second, RUBBER, 0.006),
        Part(box(0.252, 0.38, 0.270, 0.46, 0.008), palette.second, RUBBER, 0.006),
        Part(shell, palette.second, RUBBER, 0.02),
        Part(box(0.277, 0.052, 0.723, 0.948, 0.055), palette.base, PLASTIC, 0.03, lift=0.1, decals=art + ink),
        Part(island, tone(palette.second, 0.7), PLASTIC, 0.014),
        *lenses,
        Part(ellipse(0.443, 0.217, 0.016, 0.016), (250, 246, 224), GLASS, 0.01, lift=0.0),
    ]


GOODS: Mapping[str, Callable[[Look], list[Part]]] = MappingProxyType(
    {"flask": flask, "mug": mug, "jar": jar, "phone_case": phone_case}
)
