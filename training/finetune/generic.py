"""Pictures of nothing registered, drawn anew: by them a fine-tuned encoder is kept near what it was elsewhere."""

from __future__ import annotations

from PIL import Image

from training.market.goods import Ask
from training.market.model import load_market
from training.market.rendered import Rendered
from training.progress import progress

GOODS = ("unrelated", "unbranded", "lookalike")


def generic_pictures(count: int, *, seed: int) -> list[Image.Image]:
    """`count` photographs of rendered goods without a brand, each another thing; a function of the seed."""
    source = Rendered(load_market(), seed, 2)
    products = [product for goods in GOODS for product in source.others(goods)]
    order = [products[n * len(products) // max(count, 1)] for n in range(min(count, len(products)))]
    return [source.paint(Ask("own", product.id, 0)).image for product in progress(order, "Drawing generic pictures")]
