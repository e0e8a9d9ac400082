"""The simulated marketplace at work: its service, its listings of a month, its appraisers and its reviewers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from brands.approvals import Decider
from brands.errors import RegistryError
from brands.ids import utc_now
from screener.appraisals.csv_file import write_csv
from screener.service import Service, open_service
from screener.settings import Settings
from screener.spot_checks.model import Pick
from training.market.prepare import BRANDS
from training.market.screen import register_brand, screen_all, submission_of

ENGINEER: Final = "cli:engineer"
COLLEAGUE: Final = "cli:colleague"
"""Whoever approves what the engineer proposed: it takes two."""
APPRAISERS: Final = (("Laboratory North", "laboratory"), ("Brand desk", "brand"), ("R. Adeyemi", "expert"))
"""Who examines, and how."""
COST: Final = 12.0
"""Of one examination besides the item, in EUR; assumed."""


def open_marketplace(folder: Path, market: Path) -> Service:
    """The service in the new `folder`, which knows the brands of `market`; whoever opens it closes it.

    Pictures of every listing are kept, since any may be picked and appraised; words in pictures are not read, which
    would take longer than all the rest.
    """
    service = open_service(Settings(data_dir=folder, keep_images="all", reading_ms=0))
    try:
        for brand in json.loads((market / BRANDS).read_text(encoding="utf-8")):
            register_brand(service, market, brand)
        service.refresher.refresh()
    except BaseException:
        service.close()
        raise
    return service


def screen_rows(service: Service, market: Path, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Screens lines of listings.jsonl in the order of time; gives the answers."""
    today = datetime.now(UTC).date()
    return screen_all(service, rows, lambda row: submission_of(row, market, today))


def appraisals_csv(picks: Iterable[Pick], rows: Mapping[str, Mapping[str, Any]], seed: int) -> bytes:
    """What appraisers find out about the items that were bought, as they send it: a table, right as often as they are.

    `rows` are lines of listings.jsonl by screening; their `appraised` has the appraisers' errors in it.
    """
    rng = np.random.default_rng([seed, 3])
    today = utc_now().date()
    lines = []
    for pick in picks:
        row = rows[pick.screening_id]
        name, method = APPRAISERS[int(rng.integers(0, len(APPRAISERS)))]
        price = row["listing"]["price"]
        lines.append(
            {
                "screening_id": pick.screening_id,
                "outcome": row["truth"]["appraised"],
                "appraiser": name,
                "method": method,
                "confidence": round(float(rng.uniform(0.8, 1.0)), 2),
                "cost_amount": f"{(price['amount'] if price else 0) + COST:.2f}",
                "cost_currency": price["currency"] if price else "EUR",
                "bought_on": today - timedelta(days=1),
                "appraised_on": today,
            }
        )
    return "".join(write_csv(lines)).encode()


def let_in_known_fakes(service: Service) -> tuple[int, int]:
    """A reviewer goes through the known fakes that wait for a second person, an admin through those that the impact
    check holds back; how many count now, and how many do not.

    The drawn goods of two brands may look alike, and the appraisal says which of them the item pretends to be of: so
    the admin lets them in.
    """
    reviewer, admin = Decider(COLLEAGUE, "reviewer"), Decider(COLLEAGUE, "admin")
    waiting = service.truth.registry.list_references(kind="known_fake", state="pending")
    for reference in waiting:
        try:
            service.doors.approve(reviewer, reference.id)
        except RegistryError:
            reason = "The item was examined: it is a copy of this brand's."
            with contextlib.suppress(RegistryError):
                service.doors.approve(admin, reference.id, override=True, reason=reason)
    service.refresher.refresh()
    left = service.truth.registry.list_references(kind="known_fake", state="pending")
    return len(waiting) - len(left), len(left)


def copy_of(service: Service, folder: Path) -> Settings:
    """The settings of a copy of the marketplace as it is now, in the new `folder`: pictures are linked, not copied."""
    own = service.truth.settings
    folder.mkdir(parents=True)
    with (
        contextlib.closing(sqlite3.connect(own.database_path)) as source,
        contextlib.closing(sqlite3.connect(folder / own.database_path.name)) as target,
    ):
        source.backup(target)
    shutil.copytree(own.data_dir / "blobs", folder / "blobs", copy_function=os.link)
    for name in ("secret", "signing-key"):
        shutil.copy2(own.data_dir / name, folder / name)
    return own.model_copy(update={"data_dir": folder})
