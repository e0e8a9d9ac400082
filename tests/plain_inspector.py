"""An inspector for tests of the registry alone: it knows pictures by their first bytes and measures nothing."""

import hashlib
from collections.abc import Sequence
from typing import Any

from brands.doors import Inspection
from brands.model import Box, Reference, ReferenceKind


class UnusableImage(Exception):
    """What the image gate raises."""

    code, status, field = "image_format", 415, "image"


class PlainInspector:
    """A picture is `PIC` and anything; one with `HOLD` in it is held back, one with `BLANK` shows nothing."""

    encoder_id = "enc_plain"

    def look(self, brand_id: str, kind: ReferenceKind, data: bytes, box: Box | None, *, deep: bool) -> Inspection:
        if not data.startswith(b"PIC"):
            raise UnusableImage
        return self._found(hashlib.sha256(data).hexdigest(), data)

    def look_again(self, stored: Sequence[Reference]) -> Sequence[Inspection]:
        return [self._found(one.image_sha256, b"HOLD" if "HOLD" in one.source else b"") for one in stored]

    def _found(self, sha256: str, data: bytes) -> Inspection:
        unusable = ["blank"] if b"BLANK" in data else []
        blocking = [*unusable, *(["background"] if b"HOLD" in data else [])]
        impact: dict[str, Any] = {"hints": blocking, "blocking": blocking, "unusable": unusable, "rivals": []}
        return Inspection(sha256, 40, 30, self.encoder_id, not blocking, impact, lambda _: None)
