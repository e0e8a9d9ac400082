"""Brand names as the encoder's text tower sees them: compared with pictures, and listings' words with references.

Works for brands that have few pictures or none, as far as the tower knows their names: a large open_clip model read
them on the web, a small one trained here can only have learnt to spell. So it is used where the bundle shows that it
helps (`text_point`), and nowhere else.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from brands.database import Database
from brands.model import Brand
from screener import embeddings
from screener.bundle import Bundle, OperatingPoint
from screener.cosines import part_cosines
from screener.embeddings import Embedding
from screener.encoder import Encoder, as_stored
from screener.preprocess import WHOLE, Box
from screener.regions import region_uses

if TYPE_CHECKING:
    from screener.release import Serving
from screener.listing import Listing

VIEW: Final = "name"
"""The view under which a text's vector is kept, by the SHA-256 of its UTF-8."""
MIN_RECALL: Final = 0.05
"""Least recall at the operating point: a tower that names one mark in a hundred at one wrong name in a thousand pairs
would, with a thousand brands registered, name more wrongly than rightly."""
GAP: Final = 0.05
"""How far a brand must stand above the next: a text or picture of something else is about equally far from several."""
NAME_SEEN: Final = 0.2
"""What a picture that is like a brand's name adds to the excess of a likeness (`Sighting.excess`)."""
WORDS_SEEN: Final = 0.1
"""The same of a title that is like a brand's references: it says what the thing is, hardly whose."""
_AT_ONCE = 256
_NEIGHBOURS = 24
"""References looked at for a listing's words."""


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A brand whose name a picture is like, with its best region.

    `score` is the cosine in the part for text, at least that of the operating point; `gap` how far the brand stands
    above the next one in this region (its score plus 1 where there is no other).
    """

    brand_id: str
    name: str
    image: int
    frame: int
    box: Box
    score: float
    gap: float


@dataclass(frozen=True, slots=True)
class WordsMatch:
    """A brand one of whose references is like a listing's words; `score` and `gap` as in `NameMatch`."""

    brand_id: str
    reference_id: str
    score: float
    gap: float


@dataclass(frozen=True, slots=True, eq=False)
class NameVectors:
    """The names of all brands: brand id and spelling of each row of `vectors` (n, D), float32, unit norm."""

    brand_ids: tuple[str, ...]
    names: tuple[str, ...]
    vectors: NDArray[np.float32]


def text_point(bundle: Bundle) -> OperatingPoint | None:
    """Where the bundle's text tower may speak: its operating point for text, if enough was found there."""
    point = bundle.operating_points.get("text")
    if bundle.part_for("text") is None or point is None or point.recall is None or point.recall < MIN_RECALL:
        return None
    return point


def text_key(text: str) -> str:
    """The key under which a text's vector is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def names_of(brands: Iterable[Brand]) -> list[tuple[str, str]]:
    """Brand id and spelling: each brand's name, and its aliases that have Latin letters, which most towers read."""
    return [
        (brand.id, name) for brand in brands for name in dict.fromkeys((brand.name, *filter(_is_latin, brand.aliases)))
    ]


def load_names(
    encoder: Encoder, brands: Mapping[str, Brand], database: Database, now: Callable[[], datetime]
) -> NameVectors | None:
    """The vectors of all names, from the database where they are there, else encoded and kept; None where the tower is
    not used. For every refresh: names that are known cost a query.

    Raises
    ------
    RegistryError
        the database cannot be reached
    """
    if text_point(encoder.bundle) is None:
        return None
    rows = names_of(brands.values())
    texts = list(dict.fromkeys(name for _, name in rows))
    keys = {text: (text_key(text), VIEW) for text in texts}
    with database.read() as connection:
        known = embeddings.load(connection, encoder.bundle.id, keys.values(), encoder.bundle.dim)
    missing = [text for text in texts if keys[text] not in known]
    for start in range(0, len(missing), _AT_ONCE):
        chunk = missing[start : start + _AT_ONCE]
        stored = as_stored(encoder.encode_texts(chunk))
        new = [
            Embedding(keys[text][0], VIEW, ((0, WHOLE),), row[None]) for text, row in zip(chunk, stored, strict=True)
        ]
        with database.write() as connection:
            embeddings.store(connection, encoder.bundle.id, new, now())
        known |= {(embedding.sha256, VIEW): embedding for embedding in new}
    vectors = np.empty((len(rows), encoder.bundle.dim), dtype=np.float32)
    for row, (_, name) in zip(vectors, rows, strict=True):
        row[...] = known[keys[name]].vectors[0]
    return NameVectors(tuple(brand_id for brand_id, _ in rows), tuple(name for _, name in rows), vectors)


def text_support(serving: "Serving", listing: Listing, pictures: Mapping[int, Embedding]) -> dict[str, float]:
    """What the text tower adds to the excess of each brand's likeness (`screener.recognise`)."""
    if serving.names is None:
        return {}
    support: dict[str, float] = {}
    for shown in names_shown(serving.encoder.bundle, serving.names, pictures):
        if shown.gap >= GAP:
            support[shown.brand_id] = NAME_SEEN
    for worded in brands_worded(serving, listing.title):
        if worded.gap >= GAP:
            support[worded.brand_id] = support.get(worded.brand_id, 0.0) + WORDS_SEEN
    return support


def names_shown(bundle: Bundle, names: NameVectors, pictures: Mapping[int, Embedding]) -> tuple[NameMatch, ...]:
    """The brands whose names the pictures are like, best first, each once.

    Parameters
    ----------
    bundle : whose vectors these are
    names : as `load_names` gives them
    pictures : position in the listing to the embedding of a listing's picture

    Notes
    -----
    Only regions that are looked at for marks count. Of each region only the brand that is most alike does: the others
    are what it was chosen against.
    """
    point, part = text_point(bundle), bundle.part_for("text")
    if point is None or part is None or not names.names:
        return ()
    brands = {brand_id: number for number, brand_id in enumerate(dict.fromkeys(names.brand_ids))}
    columns = np.array([brands[brand_id] for brand_id in names.brand_ids])
    best: dict[str, NameMatch] = {}
    for position, picture in pictures.items():
        uses = region_uses(len(picture.regions), bundle.dense)
        rows = [row for row, own in enumerate(uses) if "logo" in own]
        scores = part_cosines(part, picture.vectors[rows], names.vectors)
        for row, cosines in zip(rows, scores, strict=True):
            place = int(cosines.argmax())
            score = float(cosines[place])
            if score < point.score:
                continue
            others = cosines[columns != columns[place]]
            frame, box = picture.regions[row]
            gap = score - float(others.max(initial=-1.0))
            match = NameMatch(names.brand_ids[place], names.names[place], position, frame, box, score, gap)
            known = best.get(match.brand_id)
            if known is None or (match.score, match.gap) > (known.score, known.gap):
                best[match.brand_id] = match
    return tuple(sorted(best.values(), key=lambda match: (-match.score, match.brand_id)))


def brands_worded(serving: "Serving", words: str) -> tuple[WordsMatch, ...]:
    """The brands whose references a listing's words (its title) are like, best first, each with its best reference.

    One pass of the text tower and one search of the index; negatives and known fakes are no brand's goods.
    """
    bundle, snapshot = serving.encoder.bundle, serving.snapshot
    point, part = text_point(bundle), bundle.part_for("text")
    if point is None or part is None or not words.strip() or not snapshot.ids:
        return ()
    query = serving.encoder.encode_texts([words])  # without length in the other parts, so the search is by this one
    places = snapshot.search(query, _NEIGHBOURS).positions[0]
    places = places[places >= 0]
    scores = part_cosines(part, query, snapshot.vectors[places])[0]
    best: dict[str, tuple[float, str]] = {}
    for place, score in zip(places.tolist(), scores.tolist(), strict=True):
        entry = serving.directory.entries.get(snapshot.ids[place])
        if entry and entry.kind in ("authentic", "logo"):
            best[entry.brand_id] = max(best.get(entry.brand_id, (-2.0, "")), (score, entry.reference_id))
    ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))
    return _above(ranked, point.score)


def _above(ranked: Sequence[tuple[str, tuple[float, str]]], threshold: float) -> tuple[WordsMatch, ...]:
    following = [score for _, (score, _) in ranked[1:]] + [-1.0]
    return tuple(
        WordsMatch(brand_id, reference_id, score, score - (after if number == 0 else ranked[0][1][0]))
        for number, ((brand_id, (score, reference_id)), after) in enumerate(zip(ranked, following, strict=True))
        if score >= threshold
    )


def _is_latin(text: str) -> bool:
    return any(unicodedata.name(letter, "").startswith("LATIN") for letter in text if letter.isalpha())
