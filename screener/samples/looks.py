"""What a product wears: a brand's colours, mark and wordmark, ready to place on a part."""

from dataclasses import dataclass, replace

from PIL import Image

from screener.samples.catalogue import Colour, Palette, SampleBrand
from screener.samples.geometry import Point
from screener.samples.marks import Lettering, mark_mask, wordmark_mask
from screener.samples.shading import Decal

READABLE = 70.0  # difference in luma (0..255) from which more contrast does not read better


@dataclass(frozen=True, slots=True)
class Look:
    """The dress of one product; without mark and wordmark it is unbranded."""

    palette: Palette
    mark: Image.Image | None = None
    wordmark: Image.Image | None = None
    pattern: str = "plain"

    @property
    def colours(self) -> tuple[Colour, Colour, Colour, Colour]:
        """Main colour, second colour, trimmings, ink."""
        return self.palette.base, self.palette.second, self.palette.trim, self.palette.ink

    def ink_on(self, ground: Colour) -> Colour:
        """The first of the brand's inks that can be read on a ground colour."""
        inks = (self.palette.ink, self.palette.trim, self.palette.base, self.palette.second)
        return max(inks, key=lambda ink: min(abs(_luma(ink) - _luma(ground)), READABLE))

    def marked(
        self, centre: Point, width: float, colour: Colour | None = None, degrees: float = 0.0
    ) -> tuple[Decal, ...]:
        """The mark as ink at a place, or nothing."""
        if self.mark is None:
            return ()
        return (Decal(self.mark, colour or self.palette.ink, centre, width, degrees, is_mark=True),)

    def worded(
        self, centre: Point, width: float, colour: Colour | None = None, degrees: float = 0.0, *, tallest: float = 0.08
    ) -> tuple[Decal, ...]:
        """The wordmark as ink at a place (no wider than `width`, no taller than `tallest`), or nothing."""
        if self.wordmark is None:
            return ()
        fitted = min(width, tallest * self.wordmark.width / self.wordmark.height)
        return (Decal(self.wordmark, colour or self.palette.ink, centre, fitted, degrees),)

    def patterned(
        self, area: tuple[float, float, float, float], colour: Colour, step: float = 0.085
    ) -> tuple[Decal, ...]:
        """The brand's pattern (small marks, or stripes) over an area x0, y0, x1, y1."""
        x0, y0, x1, y1 = area
        if self.pattern == "stripes":
            bar = Image.new("L", (8, 400), 255)
            count = int((x1 - x0) / step)
            width = step * 0.22
            tall = bar.resize((8, max(8, round(8 * (y1 - y0) / width))))
            return tuple(Decal(tall, colour, (x0 + (i + 0.5) * step, (y0 + y1) / 2), width) for i in range(count))
        if self.pattern != "monogram" or self.mark is None:
            return ()
        rows, columns = int((y1 - y0) / step) + 1, int((x1 - x0) / step) + 1
        return tuple(
            Decal(self.mark, colour, (x0 + (column + 0.5 * (row % 2)) * step, y0 + row * step), step * 0.5)
            for row in range(rows)
            for column in range(columns)
        )


def dress(brand: SampleBrand, palette: int = 0) -> Look:
    """The genuine look of a brand in one of its two palettes."""
    return Look(
        brand.palettes[palette],
        mark_mask(brand.mark, 220),
        wordmark_mask(brand.drawn, brand.lettering, 96),
        brand.pattern,
    )


def imitate(brand: SampleBrand, way: int) -> Look:
    """A counterfeit's look: 0 misspelt name, 1 distorted mark, 2 both, each in colours that are a little off."""
    colours = brand.palettes[way % 2]
    shift = ((14, -8, -20), (-22, 10, 12), (18, 14, -26))[way % 3]
    off = replace(colours, base=_shifted(colours.base, shift), second=_shifted(colours.second, shift))
    clumsy = replace(brand.lettering, spacing=brand.lettering.spacing * 0.5, weight=brand.lettering.weight + 0.02)
    return Look(
        off,
        mark_mask(brand.mark, 220, altered=way != 0),
        wordmark_mask(brand.drawn if way == 1 else brand.misspelt, clumsy, 96),
        brand.pattern,
    )


def plain(palette: Palette, *, word: str | None = None, mark: str | None = None) -> Look:
    """A product of nobody, or of a brand that is not registered."""
    return Look(
        palette,
        mark_mask(mark, 220) if mark else None,
        wordmark_mask(word, Lettering(spacing=0.1, weight=0.02), 96) if word else None,
    )


def _shifted(colour: Colour, shift: Colour) -> Colour:
    red, green, blue = (min(255, max(0, value + change)) for value, change in zip(colour, shift, strict=True))
    return (red, green, blue)


def _luma(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def tone(colour: Colour, factor: float) -> Colour:
    """The colour darker (< 1) or lighter (> 1, towards white)."""
    if factor <= 1:
        red, green, blue = (round(value * factor) for value in colour)
    else:
        red, green, blue = (round(255 - (255 - value) / factor) for value in colour)
    return (red, green, blue)
