"""Gives a fine-tuned encoder thresholds and a background that mean what the start's meant.

Fine-tuning moves all cosines, so a threshold of the start would count other pairs. On pictures that were not trained on
the new threshold is put where as large a share of wrong pairs lies above it as lies above the start's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.bundle import Bundle, OperatingPoint, Part
from screener.cosines import part_cosines
from screener.dense import COMPARED
from screener.encoder import Encoder
from screener.preprocess import WHOLE, prepare
from screener.regions import region_uses
from screener.score_norm import background_level, normalised
from training.embedders import listing_vectors
from training.finetune.data import Corpus, rgb
from training.finetune.relations import FAKE, GENERIC, GENUINE, MARK, NEGATIVE, Relations
from training.finetune.views import View, Views
from training.operating_points import FEWEST, RATES, SHARES
from training.protocols import threshold_at_false_match_rate

MOST: Final = 240
"""Pictures, at most, that are held against all references."""
COARSEST: Final = 0.02
"""A rate that fewer pairs can show is too coarse to set a threshold by: then the start's stays."""
RIDGES: Final = (0.3, 3.0, 30.0, 300.0)
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoder's vectors: references (m, D), queries (q, regions, D), names of brands (b, D)."""

    bundle: Bundle
    references: Floats
    queries: Floats
    words: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The same pictures under the start (None without a bundle) and under what was made of it.

    `genuine` and `other` (q, m) say by use which pairs belong together and which certainly do not; of `text` the
    columns are the brands' names.
    """

    start: Encoded | None
    made: Encoded
    genuine: Mapping[str, NDArray[np.bool_]]
    other: Mapping[str, NDArray[np.bool_]]


def held_out_pairs(corpus: Corpus, relations: Relations, views: Views, encoders: Sequence[Encoder]) -> Pairs:
    """Encodes pictures of the held-out groups, edited copies of held-out references, and all references, by the code
    that serves; `encoders` are the start's, if it has one, and the new bundle's.
    """
    held = [n for n in corpus.of(held_out=True) if not corpus.pictures[n].reference]
    copied = [n for n in corpus.of(held_out=True) if corpus.pictures[n].reference]
    asked = [*[View(n) for n in held], *[View(n, "copy", 30_000 + k) for k in range(2) for n in copied]][:MOST]
    known = np.array([n for n, p in enumerate(corpus.pictures) if p.reference], dtype=np.int64)
    queries = np.array([view.picture for view in asked], dtype=np.int64)
    names = {p.brand: p.words[0] for p in corpus.pictures if p.words and p.brand and p.reference}
    brands = sorted(names)
    encoded = [_encoded(e, corpus, views, known.tolist(), asked, [names[b] for b in brands]) for e in encoders]
    of_brand = np.array([corpus.pictures[n].brand for n in queries.tolist()])
    said = of_brand[:, None] == np.array(brands)[None, :]
    sides = relations.side[known]
    goods = np.isin(sides, (GENUINE, FAKE, NEGATIVE))[None, :]
    marks = (sides == MARK)[None, :]
    other = relations.other_item(queries, known)
    other_brand = other & (relations.brand[queries][:, None] != relations.brand[known][None, :])
    generic = (relations.side[queries] == GENERIC)[:, None]
    return Pairs(
        encoded[0] if len(encoded) == 2 else None,
        encoded[-1],
        {
            "copy": relations.same_picture(queries, known),
            "product": relations.same_item(queries, known) & goods,
            "logo": np.zeros_like(other),
            "text": said,
        },
        {
            "copy": relations.other_picture(queries, known),
            # What is copied looks like its original: that is no wrong match of looks
            "product": other_brand & goods,
            "logo": other_brand & marks,
            "text": ~said & ((of_brand != "")[:, None] | generic),
        },
    )


def moved_points(pairs: Pairs) -> tuple[dict[str, OperatingPoint], dict[str, float]]:
    """The new operating points by use, and the share of genuine pairs over the threshold before and after."""
    points: dict[str, OperatingPoint] = {}
    recalls: dict[str, float] = {}
    for use, share in SHARES.items():
        part = pairs.made.bundle.part_for(use)
        if part is None:
            continue
        old = pairs.start.bundle.operating_points.get(use) if pairs.start else None
        wanted, wrong = pairs.genuine[use], pairs.other[use]
        taken_out = old.background_share if old else (share if pairs.made.bundle.background is not None else 0.0)
        background = None
        if taken_out and pairs.start is not None:
            background = moved_background(pairs)[0]
        scores = _scores(pairs.made, part, use, background, taken_out)
        finest = FEWEST / max(int(wrong.sum()), 1)
        if finest > COARSEST:
            if old is not None:
                points[use] = replace(old, measured_on=f"the start; too few pairs here ({int(wrong.sum())})")
            continue
        rate = RATES[use]
        if old is not None and pairs.start is not None:
            before = _scores(pairs.start, part, use, pairs.start.bundle.background, taken_out)
            rate = float(np.mean(before[wrong] >= old.score))
            if wanted.any():
                recalls[f"{use}_recall_before"] = float(np.mean(before[wanted] >= old.score))
        rate = max(rate, finest)
        score = min(threshold_at_false_match_rate(scores[wrong].astype(np.float64), rate), 1.0)
        recall = float(np.mean(scores[wanted] >= score)) if wanted.any() else None
        if recall is not None:
            recalls[f"{use}_recall_after"] = recall
        measured = f"{int(wanted.sum())} genuine and {int(wrong.sum())} other pairs of held-out groups"
        points[use] = OperatingPoint(float(score), rate, recall, measured, taken_out)
    return points, recalls


def moved_background(pairs: Pairs) -> tuple[Floats | None, float | None]:
    """The start's background (B, D) where the new encoder would have it, and how near that is on other pictures.

    The pictures are not at hand, only their vectors; so the map from old to new vectors is fitted on pictures that are
    (a ridge regression of the difference, part by part), its strength chosen by, and its mean cosine measured on, the
    held-out queries. Without a background at the start there is none: (None, None).
    """
    if pairs.start is None or pairs.start.bundle.background is None:
        return None, None
    background = pairs.start.bundle.background
    old, new = pairs.start.references, pairs.made.references
    checks = pairs.start.queries[:, 0], pairs.made.queries[:, 0]
    moved, nearness = np.empty_like(background), []
    for part in pairs.made.bundle.parts:
        x, y, rows = (_unit(v[:, part.start : part.stop]) for v in (old, new, background))
        wanted, have = (_unit(v[:, part.start : part.stop]) for v in (checks[1], checks[0]))
        tried = []
        for ridge in RIDGES:
            step = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - x))
            near = float(np.mean(np.sum(_unit(have + have @ step) * wanted, axis=1))) if len(have) else 0.0
            tried.append((near, ridge, step))
        near, _, step = max(tried, key=lambda each: each[:2])
        share = float(np.median(np.linalg.norm(background[:, part.start : part.stop], axis=1)))
        moved[:, part.start : part.stop] = _unit(rows + rows @ step) * share
        nearness.append(near)
    return _unit(moved).astype(np.float32), float(np.mean(nearness))


def _encoded(
    encoder: Encoder, corpus: Corpus, views: Views, known: Sequence[int], asked: Sequence[View], names: Sequence[str]
) -> Encoded:
    spec = encoder.bundle.preprocess
    references = [prepare(rgb(corpus.image(number)), WHOLE, spec) for number in known]
    wholes = [encoder.encode_pixels(np.stack(references[n : n + 32])) for n in range(0, len(references), 32)]
    queries = [listing_vectors(encoder, rgb(views.picture(view))) for view in asked]
    dim = encoder.bundle.dim
    return Encoded(
        encoder.bundle,
        np.concatenate(wholes),
        np.stack(queries) if queries else np.zeros((0, 1, dim), np.float32),
        encoder.encode_texts(list(names)) if names else np.zeros((0, dim), np.float32),
    )


def _scores(encoded: Encoded, part: Part, use: str, background: Floats | None, share: float) -> Floats:
    """Best score (q, m) of the regions that serve a use, as the operating point counts it."""
    count, regions, dim = encoded.queries.shape
    if use in COMPARED:
        served = [use in uses for uses in region_uses(regions, encoded.bundle.dense)]
        flat, against = encoded.queries[:, served].reshape(-1, dim), encoded.references
    else:
        served, flat, against = [True], encoded.queries[:, 0], encoded.words
    scores = part_cosines(part, flat, against)
    if share and background is not None:
        scores = normalised(scores, background_level(part, flat, background), share)
    best: Floats = scores.reshape(count, sum(served), len(against)).max(axis=1)
    return best


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return unit
