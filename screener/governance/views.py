"""What people see of an impact: the samples with small pictures, and only what their key may know."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from brands.blobs import FolderBlobs
from brands.doors import Inspection
from brands.errors import RegistryError
from brands.model import Scope
from screener.errors import ScreenerError
from screener.governance.impact import for_brand
from screener.governance.inspector import Looked
from screener.governance.samples import Sample
from screener.workers import DecodePool

THUMBNAIL: Final = 192
"""Longest side of a sample's picture, in pixels."""
_QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample with its picture as a JPEG, made anew from the pixels; None where it was not kept."""

    sample: Sample
    picture: bytes | None


@dataclass(frozen=True, slots=True)
class ShownImpact:
    """An impact as JSON, without what the caller may not know, and the listings that would have matched.

    `hidden` of them are taken for other brands' goods and are not a brand's to see.
    """

    passed: bool
    width: int
    height: int
    impact: Mapping[str, Any]
    samples: tuple[ShownSample, ...]
    hidden: int


def shown_impact(found: Inspection, scope: Scope, blobs: FolderBlobs, pool: DecodePool) -> ShownImpact:
    """What a caller of a scope sees: a brand is not told whose references and goods its own is near to."""
    impact = for_brand(found.impact) if scope == "brand" else dict(found.impact)
    samples = found.samples if isinstance(found, Looked) else ()
    seen = [sample for sample in samples if scope != "brand" or sample.brand != "other"]
    pictured = _with_pictures(seen, blobs, pool)
    return ShownImpact(found.passed, found.width, found.height, impact, pictured, len(samples) - len(seen))


def _with_pictures(samples: Sequence[Sample], blobs: FolderBlobs, pool: DecodePool) -> tuple[ShownSample, ...]:
    return tuple(ShownSample(sample, _thumbnail(sample.sha256, blobs, pool)) for sample in samples)


def _thumbnail(sha256: str | None, blobs: FolderBlobs, pool: DecodePool) -> bytes | None:
    """A small JPEG of a stored picture; what was sent is never shown itself."""
    if sha256 is None:
        return None
    try:
        pixels = pool.decode_large(blobs.get(sha256), THUMBNAIL)
    except (RegistryError, ScreenerError):  # most listings' pictures are not kept
        return None
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
