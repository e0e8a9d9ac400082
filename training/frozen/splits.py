"""Splits rows by time so that nothing crosses, and proves it again from the data whenever a data set is opened."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from training.frozen.model import SPLITS, FrozenReference, FrozenRow, PictureHash, Split
from training.frozen.names import alike, own_pictures, same_pictures
from training.market.splits import Leak

SHARES: Mapping[Split, float] = {"train": 0.45, "calibrate": 0.15, "test": 0.4}
"""Of the rows, in the order of time: much to measure on, because a few hundred appraisals measure little."""
MEASURED: tuple[Split, ...] = ("calibrate", "test")
"""Splits of which no reference may tell the labels."""
_IDS = re.compile(r"[a-z]{3}_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Check:
    """One way in which splits could touch: what was looked at, how often they do, and an example."""

    name: str
    looked_at: int
    crossing: int
    example: str = ""


def split_rows(
    rows: Sequence[FrozenRow], shares: Mapping[Split, float] = SHARES
) -> tuple[list[FrozenRow], dict[str, int]]:
    """The rows that stay, each in its split, and how many of each split were left out because their group is elsewhere.

    Rows are in the order of time and grouped. A group that reaches over splits stays where most of its rows are, in the
    later one of equals: so the fewest are lost. Those lost are not like the others: counterfeiters list again, so a
    split would have too few counterfeits left, and a judge would learn that there are few. Therefore what is left out
    gives its weight to the planned rows of its label in its split, as surveys adjust for those who do not answer
    (Little, Survey nonresponse adjustments, 1986).
    """
    bounds = _cuts([row.created_at for row in rows], [shares[split] for split in SPLITS])
    split = [SPLITS[sum(place >= bound for bound in bounds)] for place in range(len(rows))]
    members: dict[str, Counter[Split]] = defaultdict(Counter)
    for row, own in zip(rows, split, strict=True):
        members[row.group][own] += 1
    home = {group: max(found, key=lambda one: (found[one], SPLITS.index(one))) for group, found in members.items()}
    every = [replace(row, split=own) for row, own in zip(rows, split, strict=True)]
    kept = [row for row in every if row.split == home[row.group]]
    before, after = _weights(every), _weights(kept)
    lost = Counter[str](row.split for row in every) - Counter[str](row.split for row in kept)
    return [
        replace(row, weight=row.weight * before[row.split, row.label] / after[row.split, row.label])
        if row.planned
        else row
        for row in kept
    ], dict(lost)


def _weights(rows: Iterable[FrozenRow]) -> dict[tuple[Split, str], float]:
    """The sum of the planned rows' weights by split and label."""
    found: dict[tuple[Split, str], float] = defaultdict(float)
    for row in rows:
        if row.planned:
            found[row.split, row.label] += row.weight
    return found


def _cuts(times: Sequence[object], shares: Sequence[float]) -> list[int]:
    """The places at which the second and the third split begin: never between two rows of the same moment."""
    found, reached = [], 0.0
    for share in shares[:-1]:
        reached += share
        place = min(round(reached * len(times)), len(times))
        while 0 < place < len(times) and times[place] == times[place - 1]:
            place += 1
        found.append(place)
    return found


def telling(
    rows: Sequence[FrozenRow],
    references: Sequence[FrozenReference],
    hashes: Mapping[str, PictureHash],
    splits: Iterable[Split] = MEASURED,
) -> dict[str, str]:
    """References that tell the label of a row of these splits, by id, and the row's screening.

    One does whose evidence is the row's appraisal or screening, and one that became a reference after the row was
    screened and shows the row's picture: a confirmed fake that is a known fake now, say. A picture that was registered
    before is what the row was rightly compared with.
    """
    wanted = set(splits)
    measured = [row for row in rows if row.split in wanted]
    by_id = {name: row for row in measured for name in (row.screening_id, *row.appraisals)}
    found: dict[str, str] = {}
    for reference in references:
        for name in _IDS.findall(reference.evidence):
            if name in by_id:
                found.setdefault(reference.id, by_id[name].screening_id)
    shown: dict[str, list[FrozenRow]] = defaultdict(list)
    for row in measured:
        for sha256 in row.pictures:
            shown[sha256].append(row)
    for sha256, reference in same_pictures(shown, references, hashes):
        for row in shown[sha256]:
            if reference.created_at > row.created_at:
                found.setdefault(reference.id, row.screening_id)
    return found


def leak_report(
    rows: Sequence[FrozenRow], references: Sequence[FrozenReference], hashes: Mapping[str, PictureHash]
) -> tuple[Check, ...]:
    """Everything that could be in two splits, looked for in the data itself and not in what `group` says alone."""
    own = own_pictures(rows, references, hashes)
    pairs = alike(own, hashes)
    across = [(one, two) for one, two in pairs if rows[one].split != rows[two].split]
    told = telling(rows, references, hashes)
    return (
        _apart("screening", ((row.screening_id, row.split) for row in rows), twice=True),
        _apart("group", ((row.group, row.split) for row in rows)),
        _apart("seller", ((str(row.listing["seller_id"]), row.split) for row in rows)),
        _apart("linked sellers", ((seller, row.split) for row in rows for seller in _people(row))),
        _apart("listing", ((str(row.listing["listing_id"]), row.split) for row in rows)),
        _apart("picture", ((sha, row.split) for row, shown in zip(rows, own, strict=True) for sha in shown)),
        Check("picture alike", len(pairs), len(across), _pair(rows, across)),
        _in_order(rows),
        Check("reference", len(references), len(told), " tells of ".join(next(iter(told.items()), ()))),
    )


def refuse_leaks(checks: Sequence[Check]) -> None:
    """Raises Leak with everything that crosses."""
    crossing = [f"{check.name} ({check.crossing}, first: {check.example})" for check in checks if check.crossing]
    if crossing:
        raise Leak(f"splits are not apart: {'; '.join(crossing)}")


def _people(row: FrozenRow) -> set[str]:
    return {*row.sellers, str(row.listing["seller_id"]), *row.listing["seller"]["linked"]}


def _apart(name: str, pairs: Iterable[tuple[str, str]], *, twice: bool = False) -> Check:
    """How many names are in two splits; `twice` counts a name that comes twice at all."""
    seen: dict[str, str] = {}
    crossing: dict[str, str] = {}
    for what, split in pairs:
        if what in seen and (twice or seen[what] != split):
            crossing.setdefault(what, f"{what} in {seen[what]} and {split}")
        seen.setdefault(what, split)
    return Check(name, len(seen), len(crossing), next(iter(crossing.values()), ""))


def _pair(rows: Sequence[FrozenRow], across: Sequence[tuple[int, int]]) -> str:
    return " and ".join(rows[place].screening_id for place in across[0]) if across else ""


def _in_order(rows: Sequence[FrozenRow]) -> Check:
    """Rows of a split that are not younger than all of the splits before."""
    crossing = []
    present = [split for split in SPLITS if any(row.split == split for row in rows)]
    for before, after in pairwise(present):
        newest = max(row.created_at for row in rows if row.split == before)
        crossing += [row.screening_id for row in rows if row.split == after and row.created_at <= newest]
    return Check("time", len(rows), len(crossing), next(iter(crossing), ""))
