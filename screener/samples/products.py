"""The products by name, rendered as shaded cut-outs: genuine, counterfeit or of nobody."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from screener.samples.carried import CARRIED
from screener.samples.catalogue import SampleBrand
from screener.samples.goods import GOODS
from screener.samples.looks import Look, dress, imitate
from screener.samples.shading import Cutout, Part, render
from screener.samples.wear import WEAR

PRODUCTS: Mapping[str, Callable[[Look], list[Part]]] = MappingProxyType({**WEAR, **CARRIED, **GOODS})


def build(product: str, look: Look) -> Cutout:
    """Render a product by its name in `PRODUCTS`."""
    return render(PRODUCTS[product](look))


@lru_cache(maxsize=64)
def genuine(brand: SampleBrand, product: str, palette: int = 0) -> Cutout:
    """The brand's own product; kept, because several pictures show the same one."""
    return build(product, dress(brand, palette))


@lru_cache(maxsize=64)
def counterfeit(brand: SampleBrand, way: int, product: str = "") -> Cutout:
    """The counterfeit number `way`, by default of the product that is faked that way."""
    return build(product or brand.products[way % len(brand.products)], imitate(brand, way))
