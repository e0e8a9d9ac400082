"""Where a cosine counts as a match: thresholds at stated false match rates, from held-out training-side pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.bundle import OperatingPoint, Part
from screener.encoder import Encoder
from screener.preprocess import WHOLE, prepare
from screener.regions import region_uses
from screener.score_norm import background_level, normalised
from training.batches import BatchMaker
from training.edits import copy_of, photograph
from training.embedders import listing_vectors
from training.protocols import threshold_at_false_match_rate

USES = ("copy", "product", "logo", "text")
FEWEST = 10
"""So many wrong pairs at least must lie above a threshold for its rate to be called measured."""
SHARES = {"copy": 0.0, "product": 0.0, "logo": 0.5, "text": 0.0}
"""How much of a query's background level is taken out of its scores (`screener.score_norm`): what gives more recall at
the uses' rates on held-out pictures. Marks gain, copies and products lose."""
RATES = {"copy": 1e-3, "product": 1e-3, "logo": 1e-3, "text": 1e-3}
"""False match rate per pair at which a use's operating point lies. Many held-out photos are wallpapers that are nearly
the same; on photos of clothes one wrong pair in 10,000 reached the copy threshold found so."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Cosines of pairs that belong together (p,) and of pairs that do not (n,)."""

    genuine: NDArray[np.float64]
    other: NDArray[np.float64]


def pair_trials(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    groups: NDArray[np.int64],
    level: NDArray[np.float32] | None = None,
    share: float = 0.0,
) -> Trials:
    """Row i of `left` (n, d) belongs to row i of `right` (n, regions, d), by the region that is nearest; rows of
    different `groups` (n,) do not. Vectors have unit norm. `share` of the `level` (n, regions) of the right side is
    taken out.
    """
    table = np.einsum("nd,mrd->mrn", left, right)
    if level is not None:
        rows = table.reshape(-1, len(left)).astype(np.float32)
        table = normalised(rows, level.reshape(-1), share).reshape(table.shape)
    table = table.max(axis=1).T
    differs = groups[:, None] != groups[None, :]
    return Trials(np.diag(table).astype(np.float64), table[differs].astype(np.float64))


def operating_point(trials: Trials, rate: float, data: str, share: float = 0.0) -> OperatingPoint:
    """The threshold at false match rate `rate`, or at the finest that FEWEST wrong pairs above it can show."""
    finest = max(rate, FEWEST / len(trials.other))
    score = threshold_at_false_match_rate(trials.other, finest)
    pairs = f"{len(trials.genuine)} genuine and {len(trials.other)} other pairs, {data}"
    return OperatingPoint(min(score, 1.0), finest, float(np.mean(trials.genuine >= score)), pairs, share)


def held_out_trials(
    encoder: Encoder, maker: BatchMaker, batches: int, background: NDArray[np.float32]
) -> dict[str, Trials]:
    """Trials of every use on the held-out side of the library: `maker` must have been made with `held_out=True`.

    Scores are normalised with the background (B, D) in the uses' SHARES.

    copy: a photo against an edited copy of it, wrong pairs being other photos (other parts of one photo do not count);
    product: two photos of one product, wrong pairs being other products, most of them of the same brands; logo: two
    prints of one mark; text: a printed mark against its words. The second picture is looked at in all regions that
    serve the use, as a listing's picture is: the best of many regions is higher for wrong pairs too.
    """
    rows: dict[str, list[tuple[Image.Image, Image.Image | str, int]]] = {use: [] for use in USES}
    origins: dict[str, int] = {}
    for step in range(batches):
        rng = np.random.default_rng((maker.seed, step, 7))
        props = maker.props(rng)
        for number in maker.bases(rng):
            entry = maker.library.entries[number]
            if entry.kind != "thing":  # clip art repeats itself: two drawings of a circle are no wrong pair
                image = maker.flat(number, rng)
                group = origins.setdefault(entry.group, len(origins))
                rows["copy"].append((image, copy_of(image, rng, props), group))
        for _ in range(maker.plan.marks):
            label, text, first, second = maker.mark_pair(rng, props)
            rows["logo"].append((first, second, label))
            rows["text"].append((first, text, label))
        for label, first_number, second_number in maker.product_pairs(rng):
            first, second = (photograph(maker.flat(n, rng), rng, props) for n in (first_number, second_number))
            rows["product"].append((first, second, label))
    trials = {use: _trials(encoder, use, found, background) for use, found in rows.items() if found}
    return {use: found for use, found in trials.items() if len(found.other) >= FEWEST}


def whole_vectors(encoder: Encoder, images: Sequence[Image.Image]) -> NDArray[np.float32]:
    """RGB pictures as references are encoded: (n, D)."""
    squares = [prepare(np.asarray(image.convert("RGB")), WHOLE, encoder.bundle.preprocess) for image in images]
    return np.concatenate([encoder.encode_pixels(np.stack(squares[n : n + 32])) for n in range(0, len(squares), 32)])


def _trials(
    encoder: Encoder,
    use: str,
    rows: Sequence[tuple[Image.Image, Image.Image | str, int]],
    background: NDArray[np.float32],
) -> Trials:
    part = encoder.bundle.part_for(use)
    if part is None:
        raise ValueError(f"the bundle has no part for {use}")
    words = [row[1] for row in rows if isinstance(row[1], str)]
    if words:
        right = encoder.encode_texts(words)[:, None]
    else:
        pictures = [np.asarray(row[1].convert("RGB")) for row in rows if not isinstance(row[1], str)]
        right = np.stack([listing_vectors(encoder, rgb) for rgb in pictures])
        uses = region_uses(right.shape[1], encoder.bundle.dense)
        right = right[:, [use in served for served in uses]]
    left = whole_vectors(encoder, [row[0] for row in rows])
    groups = np.array([row[2] for row in rows], dtype=np.int64)
    level = background_level(part, right.reshape(-1, right.shape[2]), background)
    return pair_trials(_part(left, part), _part(right, part), groups, level.reshape(right.shape[:2]), SHARES[use])


def _part(vectors: NDArray[np.float32], part: Part) -> NDArray[np.float32]:
    cut = vectors[..., part.start : part.stop]
    unit: NDArray[np.float32] = cut / np.linalg.norm(cut, axis=-1, keepdims=True)
    return unit
