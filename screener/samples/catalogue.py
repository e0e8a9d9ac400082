"""The fictional brands of the samples: names in several scripts, looks, prices and authorised sellers.

Every name is invented; none is meant to resemble a brand that exists.
"""

from dataclasses import dataclass, field

from screener.samples.marks import Lettering

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """A brand's colours: the product's main and second colour, trimmings, and the ink of its mark."""

    base: Colour
    second: Colour
    trim: Colour
    ink: Colour


@dataclass(frozen=True, slots=True)
class SampleBrand:
    """One fictional brand; `drawn` is what its wordmark looks like in glyphs of Pillow's built-in font."""

    key: str
    name: str
    aliases: tuple[str, ...]
    drawn: str
    misspelt: str
    mark: str
    lettering: Lettering
    palettes: tuple[Palette, Palette]
    products: tuple[str, ...]
    categories: tuple[str, ...]
    price: float
    sellers: tuple[str, ...]
    pattern: str = "plain"  # plain, stripes, monogram
    wordmarks: tuple[str, ...] = field(default=())


BRANDS: tuple[SampleBrand, ...] = (
    SampleBrand(
        key="norvokka",
        name="Norvokka",
        aliases=("Norvokka Running", "Норвокка", "诺沃卡"),
        drawn="NORVOKKA",
        misspelt="NORVOKA",
        mark="notched-ring",
        lettering=Lettering(spacing=0.02, weight=0.05, slant=0.22),
        palettes=(
            Palette((238, 239, 236), (26, 58, 108), (214, 88, 38), (26, 58, 108)),
            Palette((38, 42, 50), (96, 104, 116), (228, 204, 60), (236, 236, 232)),
        ),
        products=("sneaker", "cap"),
        categories=("shoes", "accessories"),
        price=129.0,
        sellers=("norvokka-store", "fleetfoot-sports"),
    ),
    SampleBrand(
        key="maison-odrelune",
        name="Maison Odrelune",
        aliases=("Odrelune", "オドルリューヌ", "奥德吕讷"),
        drawn="ODRELUNE",
        misspelt="ODRELUNNE",
        mark="moon-and-diamond",
        lettering=Lettering(spacing=0.34, weight=0.0),
        palettes=(
            Palette((122, 74, 46), (84, 46, 28), (206, 168, 92), (226, 194, 128)),
            Palette((40, 62, 54), (24, 38, 33), (206, 168, 92), (222, 196, 140)),
        ),
        products=("handbag", "jar"),
        categories=("bags", "cosmetics"),
        price=890.0,
        sellers=("odrelune-boutique",),
        pattern="monogram",
    ),
    SampleBrand(
        key="jentovar",
        name="Jentovar",
        aliases=("Jentovar Genève", "Джентовар", "ジェントヴァル"),
        drawn="JENTOVAR",
        misspelt="JENTOVAAR",
        mark="ticking-disc",
        lettering=Lettering(spacing=0.16, weight=0.02, frame="underline"),
        palettes=(
            Palette((186, 190, 196), (24, 36, 62), (120, 124, 130), (240, 240, 240)),
            Palette((204, 164, 96), (244, 240, 230), (96, 58, 34), (46, 40, 34)),
        ),
        products=("watch",),
        categories=("watches",),
        price=2400.0,
        sellers=("jentovar-official", "uhren-halbmond"),
    ),
    SampleBrand(
        key="mizukazera",
        name="Mizukazera",
        aliases=("ミズカゼラ", "水風羅", "Mizukazera Audio"),
        drawn="mizukazera",
        misspelt="mizukazora",
        mark="wind-wheel",
        lettering=Lettering(spacing=0.04, weight=0.015),
        palettes=(
            Palette((46, 48, 54), (24, 25, 28), (168, 122, 82), (222, 216, 206)),
            Palette((232, 228, 220), (196, 190, 180), (150, 110, 76), (52, 50, 48)),
        ),
        products=("headphones", "phone_case"),
        categories=("electronics", "accessories"),
        price=279.0,
        sellers=("mizukazera-direct",),
    ),
    SampleBrand(
        key="vestamor",
        name="Вестамор",
        aliases=("Vestamor", "Westamor", "维斯塔莫"),
        drawn="BECTAMOP",
        misspelt="BECTAMOR",
        mark="compass-flower",
        lettering=Lettering(spacing=0.10, weight=0.045, frame="rules"),
        palettes=(
            Palette((150, 34, 40), (96, 20, 26), (236, 226, 204), (240, 230, 208)),
            Palette((228, 222, 208), (150, 34, 40), (60, 60, 64), (150, 34, 40)),
        ),
        products=("cap", "tshirt"),
        categories=("clothing", "accessories"),
        price=59.0,
        sellers=("vestamor-shop",),
        wordmarks=("ВЕСТАМОР",),
    ),
    SampleBrand(
        key="slanbo",
        name="霜岚泊",
        aliases=("Slanbo", "Shuanglanbo", "霜嵐泊", "シュアンランボー"),
        drawn="SLANBO",
        misspelt="SLAMBO",
        mark="frost-hexagon",
        lettering=Lettering(spacing=0.12, weight=0.03, stretch=1.25),
        palettes=(
            Palette((58, 122, 138), (30, 70, 82), (200, 206, 208), (238, 246, 246)),
            Palette((238, 236, 230), (58, 122, 138), (150, 154, 156), (38, 92, 108)),
        ),
        products=("flask", "mug"),
        categories=("home",),
        price=45.0,
        sellers=("slanbo-flagship",),
        wordmarks=("SLANBO", "霜岚泊"),
    ),
    SampleBrand(
        key="kelthra",
        name="Kelthra",
        aliases=("Kelthra Outdoor", "Келтра", "كيلثرا"),
        drawn="KELTHRA",
        misspelt="KELTRHA",
        mark="split-kite",
        lettering=Lettering(spacing=0.08, weight=0.06, stretch=0.9),
        palettes=(
            Palette((206, 120, 36), (52, 56, 60), (30, 32, 34), (246, 240, 226)),
            Palette((74, 92, 66), (40, 44, 42), (206, 120, 36), (234, 226, 206)),
        ),
        products=("backpack", "flask"),
        categories=("bags", "outdoor"),
        price=149.0,
        sellers=("kelthra-basecamp", "bergladen-huber"),
    ),
    SampleBrand(
        key="ploomari",
        name="Ploomari",
        aliases=("플루마리", "Плумари", "プルーマリ", "普露玛丽"),
        drawn="ploomari",
        misspelt="ploomary",
        mark="plum",
        lettering=Lettering(spacing=0.10, weight=0.0, stretch=1.1),
        palettes=(
            Palette((236, 214, 214), (206, 168, 150), (112, 52, 84), (112, 52, 84)),
            Palette((112, 52, 84), (206, 168, 150), (236, 214, 214), (242, 224, 220)),
        ),
        products=("jar", "phone_case"),
        categories=("cosmetics",),
        price=68.0,
        sellers=("ploomari-beauty",),
    ),
    SampleBrand(
        key="duskerry",
        name="Duskerry",
        aliases=("Duskerry Denim Union", "Даскерри"),
        drawn="Duskerry",
        misspelt="Duskery",
        mark="dusk-berries",
        lettering=Lettering(spacing=0.01, weight=0.04, slant=-0.08),
        palettes=(
            Palette((44, 52, 84), (232, 120, 72), (240, 226, 206), (240, 150, 96)),
            Palette((240, 234, 222), (196, 84, 60), (60, 66, 90), (196, 84, 60)),
        ),
        products=("tshirt", "cap"),
        categories=("clothing",),
        price=45.0,
        sellers=("duskerry-union",),
    ),
    SampleBrand(
        key="quillovar",
        name="Quillovar",
        aliases=("Quillovar & Daughters", "クイロヴァール"),
        drawn="Quillovar",
        misspelt="Quilovar",
        mark="quill",
        lettering=Lettering(spacing=0.05, weight=0.0, slant=0.16),
        palettes=(
            Palette((244, 240, 230), (46, 70, 58), (176, 138, 72), (46, 70, 58)),
            Palette((46, 70, 58), (244, 240, 230), (176, 138, 72), (234, 220, 186)),
        ),
        products=("mug", "handbag"),
        categories=("home", "bags"),
        price=38.0,
        sellers=("quillovar-house",),
        pattern="stripes",
    ),
    SampleBrand(
        key="fennoqo",
        name="Fennoqo",
        aliases=("Фенноко", "芬诺阔"),
        drawn="fennoqo",
        misspelt="fenoqo",
        mark="fan",
        lettering=Lettering(spacing=0.03, weight=0.055, stretch=1.05, frame="box"),
        palettes=(
            Palette((120, 190, 170), (34, 60, 58), (246, 210, 90), (24, 52, 50)),
            Palette((244, 206, 84), (60, 58, 50), (120, 190, 170), (50, 46, 38)),
        ),
        products=("phone_case", "headphones"),
        categories=("electronics", "accessories"),
        price=39.0,
        sellers=("fennoqo-eu",),
        pattern="stripes",
    ),
    SampleBrand(
        key="tharnoo",
        name="Tharnoo",
        aliases=("Tharnoo Atelier", "Тарноо", "ターヌー"),
        drawn="tharnoo",
        misspelt="tharno",
        mark="shifted-halves",
        lettering=Lettering(spacing=0.14, weight=0.05),
        palettes=(
            Palette((214, 206, 190), (128, 138, 108), (92, 66, 46), (92, 66, 46)),
            Palette((86, 92, 118), (214, 206, 190), (230, 150, 110), (240, 232, 216)),
        ),
        products=("sneaker", "backpack"),
        categories=("shoes", "bags"),
        price=175.0,
        sellers=("tharnoo-atelier",),
    ),
)
