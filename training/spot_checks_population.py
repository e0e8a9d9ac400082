"""Populations of listings to measure spot checks on: invented ones with known truth, or a screened market.

What is assumed of an invented one, of which every number is in `Scene` or named here: sellers' listings follow a power
law (exponent 0.8), brands' too (1.0, and counterfeits are of a brand with its share to the power of 1.3); a tenth of
the sellers have four fifths of the counterfeits; a share of the counterfeits cannot be told from honest listings by
anything the judge sees; 15 % of the listings, and 30 % of the counterfeits, show a picture of another listing, mostly
of the same seller; prices are log-normal, those of counterfeits lower by 40 %; buyers complain of 6 % of the
counterfeits and of 0.3 % of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.picture_facts import PDQ_QUALITY
from screener.records import REVIEWED
from screener.spot_checks.looks import groups_of_looks
from screener.spot_checks.model import Population
from screener.spot_checks.near import near_duplicates
from screener.spot_checks.population import thresholds
from training.market.dataset import Dataset

BRANDS = 60
CATEGORIES = 12
Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated: a share of counterfeits, and a judge.

    The judge sees one number: normal, and higher by `apart` standard deviations for the counterfeits that are not
    `hidden` (a share). It would know the exact probability; what it says has log-odds that are `steep` times the right
    ones, plus `shift`: 1 and 0 are a calibrated judge, 2 and 0 an overconfident one. Sellers are prompted where the
    right probability is 0.5, wherever that is on the judge's scale.
    """

    name: str
    prevalence: float = 0.058
    apart: float = 3.0
    hidden: float = 0.15
    steep: float = 1.0
    shift: float = 0.0
    lost: float = 0.0
    """Share of the picks that give no result: sold out, inconclusive."""


SCENES = (
    Scene("good judge"),
    Scene("weak judge", apart=2.0, hidden=0.3),
    Scene("overconfident judge", apart=2.5, hidden=0.25, steep=2.0),
    Scene("probabilities too low", apart=2.5, hidden=0.25, steep=0.6, shift=-2.0),
    Scene("rare, good judge", prevalence=0.01),
    Scene("rare, weak judge", prevalence=0.01, apart=2.5, hidden=0.3),
    Scene("a fifth gives no result", lost=0.2),
)


def invented(scene: Scene, listings: int, rng: np.random.Generator) -> tuple[Population, Truth]:
    """A population, and which of its listings are counterfeit."""
    sellers = max(listings // 8, 1)
    seller = rng.choice(sellers, listings, p=_power_law(sellers, 0.8, rng))
    crooked = rng.random(sellers) < 0.1
    of_crooked = float(crooked[seller].mean())
    chance = np.where(
        crooked[seller], 0.8 * scene.prevalence / max(of_crooked, 1e-9), 0.2 * scene.prevalence / (1 - of_crooked)
    )
    fake = rng.random(listings) < np.minimum(chance, 0.9)
    popular = _power_law(BRANDS, 1.0, None)
    coveted = popular**1.3 / (popular**1.3).sum()
    brand = np.where(fake, rng.choice(BRANDS, listings, p=coveted), rng.choice(BRANDS, listings, p=popular)).astype(
        np.int64
    )
    seen = rng.standard_normal(listings) + scene.apart * (fake & (rng.random(listings) >= scene.hidden))
    right = _right(seen, scene)
    with np.errstate(over="ignore"):
        said = 1 / (1 + np.exp(-(scene.steep * right + scene.shift)))
        threshold = 1 / (1 + np.exp(-scene.shift))
    dollars = np.exp(rng.normal(4.0, 1.0, listings)) * np.where(fake, 0.6, 1.0)
    complains = rng.random(listings) < np.where(fake, 0.06, 0.003)
    population = Population(
        ids=tuple(map(str, range(listings))),
        probability=np.round(said, 6),
        prompted=said >= threshold,
        threshold=np.full(listings, threshold),
        brand=brand,
        seller=seller.astype(np.int64),
        category=(brand % CATEGORIES).astype(np.int64),
        looks=np.digitize(right, np.quantile(right, np.linspace(0, 1, 25)[1:-1])).astype(np.int64),
        cluster=_copies(seller, fake, rng),
        price=dollars,
        complaints=np.where(complains, rng.poisson(0.5, listings) + 1, 0).astype(np.int64),
    )
    return population, fake


def of_market(market: Dataset, rng: np.random.Generator) -> tuple[Population, Truth]:
    """The listings of a screened market, thinned so that counterfeits have its stated share."""
    market = market.rows_where(rng.random(len(market)) < market.weight / market.weight.max())
    requests = [row["listing"] for row in market.rows]
    probability = np.array([answer["probability"] for answer in market.answers], dtype=np.float64)
    prompted = np.array([answer["verdict"] in REVIEWED for answer in market.answers], dtype=bool)
    category, seller = _numbers(market.category), _numbers(np.array([own["seller_id"] for own in requests]))
    prices = [own.get("price") for own in requests]
    return Population(
        ids=tuple(market.ids.tolist()),
        probability=probability,
        prompted=prompted,
        threshold=thresholds(probability, prompted, category, counts=np.ones(len(market), dtype=bool)),
        brand=_numbers(np.array([answer["brand"]["id"] or "" for answer in market.answers])),
        seller=seller,
        category=category,
        looks=groups_of_looks(market.x.astype(np.float32)),
        cluster=_near(market, seller),
        price=np.array([float(own["amount"]) if own else np.nan for own in prices], dtype=np.float64),
        complaints=np.array([own.get("complaints") or 0 for own in requests], dtype=np.int64),
    ), market.y


def _right(seen: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    """The log-odds of a counterfeit, given what the judge sees."""
    ratio = scene.hidden + (1 - scene.hidden) * np.exp(scene.apart * seen - scene.apart**2 / 2)
    return np.asarray(np.log(ratio) + np.log(scene.prevalence / (1 - scene.prevalence)))


def _power_law(count: int, exponent: float, rng: np.random.Generator | None) -> NDArray[np.float64]:
    sizes = 1.0 / np.arange(1, count + 1) ** exponent
    if rng is not None:
        rng.shuffle(sizes)
    return np.asarray(sizes / sizes.sum())


def _copies(seller: NDArray[np.int64], fake: Truth, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clusters: who shows another's picture joins one of the seller's other listings, or one of anybody's."""
    listings = len(seller)
    source = np.arange(listings)
    copies = rng.random(listings) < np.where(fake, 0.3, 0.15)
    order = np.lexsort((rng.random(listings), seller))
    before = np.empty(listings, dtype=np.int64)
    before[order[1:]] = order[:-1]
    before[order[0]] = order[0]
    own = seller[before] == seller
    source[copies & own] = before[copies & own]
    anybody = copies & ~own
    source[anybody] = rng.integers(0, listings, int(anybody.sum()))
    while True:  # to the first of each chain; a ring of copies ends at its least number
        further = np.minimum(source[source], source)
        if (further == source).all():
            break
        source = further
    return _numbers(source)


def _near(market: Dataset, seller: NDArray[np.int64]) -> NDArray[np.int64]:
    first = [row["pictures"][0] if row["pictures"] else None for row in market.rows]
    names = {name: number for number, name in enumerate(sorted({own["sha256"] for own in first if own}))}
    hashes = {names[own["sha256"]]: bytes.fromhex(own["pdq"]) for own in first if own and own["quality"] >= PDQ_QUALITY}
    return near_duplicates(
        np.array([names[own["sha256"]] if own else -1 for own in first], dtype=np.int64),
        seller,
        np.array(list(hashes), dtype=np.int64),
        np.frombuffer(b"".join(hashes.values()), dtype=np.uint8).reshape(-1, 32),
    )


def _numbers(values: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.unique(values, return_inverse=True)[1].reshape(-1), dtype=np.int64)
