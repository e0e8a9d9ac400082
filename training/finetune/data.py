"""Gathers what may be learned from: the references of a data set and the pictures of its `train` rows, nothing else."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from brands.model import BrandDetails, ReferenceKind
from screener.pdq import SIDE, pdq
from screener.preprocess import WHOLE, Box, pixel_box
from training.errors import TrainingError

Side = Literal["genuine", "fake", "mark", "negative", "generic"]
"""What a picture is of: the real thing, a counterfeit, a brand's mark, something that is not the brand's, or no goods
of this market at all."""
KIND_SIDES: Final[Mapping[ReferenceKind, Side]] = {
    "authentic": "genuine",
    "known_fake": "fake",
    "logo": "mark",
    "negative": "negative",
}
HELD_OUT_EVERY: Final = 5
"""One seller group in so many, and one reference, is not trained on: by it a run stops early and is judged."""
LARGEST: Final = 384
"""Pixels a side to which pictures are brought before they are edited: twice what a tower of 192 sees."""
FEWEST: Final = 16
"""Pictures under which there is nothing to learn from."""


class FineTuningRefused(TrainingError):
    """A data set, a start or settings with which an encoder cannot be fine-tuned."""


class NothingGained(TrainingError):
    """The fine-tuned weights were no better than the start on the held-out groups, so no bundle was written."""


class Reference(Protocol):
    """What is read of a reference (`training.frozen.FrozenReference`)."""

    @property
    def id(self) -> str: ...
    @property
    def brand_id(self) -> str: ...
    @property
    def kind(self) -> ReferenceKind: ...
    @property
    def sha256(self) -> str: ...
    @property
    def box(self) -> Box | None: ...
    @property
    def evidence(self) -> str: ...


class Row(Protocol):
    """What is read of an appraised screening (`training.frozen.FrozenRow`)."""

    @property
    def screening_id(self) -> str: ...
    @property
    def listing(self) -> Mapping[str, Any]: ...
    @property
    def group(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def brand_id(self) -> str | None: ...
    @property
    def pictures(self) -> tuple[str, ...]: ...
    @property
    def appraisals(self) -> tuple[str, ...]: ...
    @property
    def overturned(self) -> bool: ...


class Brand(Protocol):
    """What is read of a brand (`training.frozen.FrozenBrand`)."""

    @property
    def id(self) -> str: ...
    @property
    def details(self) -> BrandDetails: ...


class Hash(Protocol):
    """PDQ hashes of a picture as it is, turned and mirrored (8 x 32 bytes), and their quality, 0 to 100."""

    @property
    def pdq(self) -> bytes: ...
    @property
    def quality(self) -> int: ...


class Source(Protocol):
    """A data set to learn from (`training.frozen.Frozen`, or anything alike)."""

    @property
    def id(self) -> str: ...
    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def references(self) -> Sequence[Reference]: ...
    @property
    def brands(self) -> Sequence[Brand]: ...
    @property
    def hashes(self) -> Mapping[str, Hash]: ...
    def picture(self, sha256: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to learn from: a reference's (`row` is empty) or one of an appraised listing's (`reference` is).

    `words` may be said of it: names of its brand, its listing's title. `overturned` says that the listing was prompted
    and turned out authentic.
    """

    sha256: str
    box: Box | None
    side: Side
    brand: str
    reference: str
    row: str
    group: str
    words: tuple[str, ...]
    overturned: bool
    held_out: bool


class Corpus:
    """The pictures by number, decoded when they are asked for."""

    def __init__(
        self, source_id: str, pictures: Sequence[Picture], data: Mapping[str, bytes], hashes: Mapping[str, Hash]
    ) -> None:
        """`data` are the pictures' bytes by their SHA-256, `hashes` the PDQ of those that were measured before."""
        self.source_id, self.pictures, self._data, self._hashes = source_id, tuple(pictures), data, hashes
        self.image = lru_cache(maxsize=256)(self._image)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is learned from: two runs with the same one saw the same pictures and labels."""
        digest = hashlib.sha256(self.source_id.encode())
        for picture in self.pictures:
            digest.update(repr(picture).encode())
        return digest.hexdigest()

    def of(self, *, held_out: bool) -> list[int]:
        """The numbers of the pictures that are trained on, or of those that are not."""
        return [n for n, picture in enumerate(self.pictures) if picture.held_out == held_out]

    def pdq(self, number: int) -> tuple[NDArray[np.uint8], int]:
        """The hashes (8, 32) of a picture and its turns, and their quality: as measured when it was served, or now."""
        picture = self.pictures[number]
        known = self._hashes.get(picture.sha256) if picture.box is None else None
        if known is not None:
            return np.frombuffer(known.pdq, dtype=np.uint8).reshape(8, 32), known.quality
        grey = self.image(number).convert("L")
        grey.thumbnail((SIDE, SIDE))
        return pdq(grey)

    def _image(self, number: int) -> Image.Image:
        """RGB, upright, cut to its box, at most LARGEST pixels a side."""
        picture = self.pictures[number]
        with Image.open(io.BytesIO(self._data[picture.sha256])) as opened:
            opened.draft("RGB", (2 * LARGEST, 2 * LARGEST))
            image = ImageOps.exif_transpose(opened)
            if "A" in image.getbands() or "transparency" in image.info:
                image = Image.alpha_composite(
                    Image.new("RGBA", image.size, (255, 255, 255, 255)), image.convert("RGBA")
                )
            image = image.convert("RGB")
        if picture.box is not None and picture.box != WHOLE:
            image = image.crop(pixel_box(picture.box, image.width, image.height))
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return image


def gather(source: Source, generic: Sequence[Image.Image], *, seed: int) -> Corpus:
    """References and `train` rows of `source`, and pictures of nothing registered that only keep what the start knew.

    A reference of which the evidence names a row that is measured on, or its appraisal, is left out, so that nothing of
    such a row is learned even where the data set still has it. Pictures without bytes are left out.

    Raises
    ------
    FineTuningRefused
        with fewer than FEWEST pictures, or without any reference
    """
    train = [row for row in source.rows if row.split == "train"]
    told = {name for row in source.rows if row.split != "train" for name in (row.screening_id, *row.appraisals)}
    names = {brand.id: (brand.details.name, *brand.details.aliases) for brand in source.brands}
    held_rows = {row.screening_id for row in train if _held_out(seed, row.group)}
    of_row = {name: row for row in train for name in (row.screening_id, *row.appraisals)}
    found: list[Picture] = []
    for reference in source.references:
        evidence = set(re.findall(r"\w+", reference.evidence))
        if evidence & told:
            continue
        # What an appraised listing gave belongs where its listing is.
        rows = [of_row[name] for name in sorted(evidence & set(of_row))]
        held = any(r.screening_id in held_rows for r in rows) if rows else _held_out(seed, f"reference {reference.id}")
        found.append(
            Picture(
                reference.sha256, reference.box, KIND_SIDES[reference.kind], reference.brand_id, reference.id, "",
                rows[0].group if rows else "", names.get(reference.brand_id, ()), False, held,
            )
        )  # fmt: skip
    if not found:
        raise FineTuningRefused(f"{source.id} has no references to fine-tune on")
    found += [
        _shown(row, sha256, names, held_out=row.screening_id in held_rows)
        for row in train
        for sha256 in dict.fromkeys(row.pictures)
    ]
    data: dict[str, bytes] = {}
    for sha256 in sorted({picture.sha256 for picture in found}):
        try:
            data[sha256] = source.picture(sha256)
        except TrainingError:
            continue  # not kept
    found = [picture for picture in found if picture.sha256 in data]
    if len(found) < FEWEST:
        raise FineTuningRefused(f"{source.id} has {len(found)} pictures to learn from; at least {FEWEST} are needed")
    for number, image in enumerate(generic):
        stream = io.BytesIO()
        image.convert("RGB").save(stream, "PNG", compress_level=1)
        sha256 = hashlib.sha256(stream.getvalue()).hexdigest()
        data[sha256] = stream.getvalue()
        found.append(
            Picture(sha256, None, "generic", "", "", "", "", (), False, number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1)
        )
    return Corpus(source.id, found, data, source.hashes)


def _shown(row: Row, sha256: str, names: Mapping[str, tuple[str, ...]], *, held_out: bool) -> Picture:
    """A picture of an appraised listing."""
    said = (*names.get(row.brand_id or "", ())[:1], str(row.listing.get("title") or ""))
    return Picture(
        sha256, None, "fake" if row.label == "counterfeit" else "genuine", row.brand_id or "", "", row.screening_id,
        row.group, tuple(word for word in said if word), row.overturned, held_out,
    )  # fmt: skip


def _held_out(seed: int, name: str) -> bool:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big") % HELD_OUT_EVERY == 0


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB picture as (h, w, 3)."""
    return np.asarray(image.convert("RGB"))
