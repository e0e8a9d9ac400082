"""What a person sees of an impact check: its numbers, and some of the listings that would have matched."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from screener.governance.samples import Sample
from screener.governance.views import ShownImpact
from screener.workers import DecodePool

SAMPLES: Final = 6
"""Listings shown for a picture."""
_SIDE: Final = 160


@dataclass(frozen=True, slots=True)
class Near:
    """A listing that would have matched; `picture` is a `data:` address, None where the picture was not kept."""

    sample: Sample
    picture: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The impact as JSON, the nearest listings, and how many of them are not the reader's to see."""

    impact: Mapping[str, Any]
    samples: tuple[Near, ...] = ()
    hidden: int = 0


def seen_of(shown: ShownImpact) -> Seen:
    """The impact for a page, with the first of the listings."""
    near = [Near(one.sample, inline(one.picture) if one.picture else None) for one in shown.samples[:SAMPLES]]
    return Seen(shown.impact, tuple(near), shown.hidden)


def inline(picture: bytes) -> str:
    """A small JPEG as a `data:` address, for pictures that have none of their own that the reader may open."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


def jpeg(pool: DecodePool, data: bytes) -> bytes:
    """A thumbnail, made anew from the pixels of what was sent."""
    out = io.BytesIO()
    Image.fromarray(pool.decode_large(data, _SIDE)).save(out, "JPEG", quality=80)
    return out.getvalue()
