"""Commands about what buyers say: adding and importing signals, lists, bursts, and reading a text."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brands.model import SignalKind
from screener.cli_open import DataDir, actor, every, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

if TYPE_CHECKING:
    from screener.signals.about import TextReader
    from screener.signals.store import NewSignal, Signal
    from screener.truth import Truth

app = typer.Typer(help="Complaints, return reasons and reviews of buyers.", no_args_is_help=True)

COLUMNS = ("kind", "listing_id", "text", "external_id", "seller_id", "language", "occurred_at")
"""Of a file to import; the first three must be there."""
_PROBLEMS = 20


@app.command()
def add(
    kind: Annotated[SignalKind, typer.Argument(metavar="KIND", help="complaint, return or review.")],
    listing_id: Annotated[str, typer.Argument(metavar="LISTING_ID", help="The marketplace's id of the listing.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The buyer's words.")],
    external_id: Annotated[str | None, typer.Option(help="The marketplace's own id of the signal.")] = None,
    seller: Annotated[str | None, typer.Option(help="If left out, the listing's.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47; guessed if left out.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Add one signal and tell what it was read as."""
    from screener.signals.store import NewSignal

    with open_truth(data_dir) as truth:
        new = NewSignal(kind, listing_id, text, external_id, seller, language)
        (signal,) = _store(truth, [new])
    typer.echo(f"{signal.id}: suspicion {signal.suspicion:.2f}{', suspected' if signal.suspected else ''}.")


@app.command("import")
def import_signals(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV in UTF-8 with a line of names.")],
    data_dir: DataDir = None,
) -> None:
    """Import signals from a CSV file, all or none.

    Columns: kind, listing_id, text, and if you like external_id, seller_id, language and occurred_at (ISO 8601 with a
    time zone). Rows with an external id that is known already are not taken twice.
    """
    from brands.errors import Invalid
    from brands.ids import utc_now
    from screener.signals.store import checked

    rows = _rows(file)
    news: list[NewSignal] = []
    problems: list[str] = []
    for number, row in rows:
        try:
            news.append(checked(_new(row), utc_now()))
        except (Invalid, ValueError) as error:
            problems.append(f"line {number}: {getattr(error, 'field', None) or 'occurred_at'}: {error}")
    if problems:
        more = f" and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
        raise Failure(f"Nothing was imported. {'; '.join(problems[:_PROBLEMS])}{more}")
    with open_truth(data_dir) as truth:
        found = _store(truth, news)
    suspected = sum(signal.suspected for signal in found)
    typer.echo(f"{len(found)} signals, {suspected} of them suspect a counterfeit.")


@app.command("list")
def list_signals(
    suspected: Annotated[
        bool | None, typer.Option("--suspected/--not-suspected", help="That suspect a counterfeit, or do not.")
    ] = None,
    kind: Annotated[SignalKind | None, typer.Option(help="Of this kind only.")] = None,
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="About this brand only.")] = None,
    seller: Annotated[str | None, typer.Option(help="About this seller only.")] = None,
    listing: Annotated[str | None, typer.Option(help="About this listing only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List signals in the order in which they came."""
    from collections import deque

    from screener.signals.payloads import SignalOut
    from screener.signals.store import fetch_page

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = deque(
            every(
                lambda after: fetch_page(
                    conn,
                    suspected=suspected,
                    kind=kind,
                    brand_id=brand,
                    seller_id=seller,
                    listing_id=listing,
                    after=after,
                    limit=500,
                )
            ),
            maxlen=limit,
        )
    if as_json:
        print_json([SignalOut.model_validate(signal).model_dump(mode="json") for signal in found])
        return
    print_table(
        ["signal", "kind", "listing", "seller", "language", "suspicion", "text"],
        [
            (
                signal.id,
                signal.kind,
                signal.listing_id,
                signal.seller_id,
                signal.language,
                f"{signal.suspicion:.2f}{'!' if signal.suspected else ''}",
                " ".join(signal.text.split())[:60],
            )
            for signal in found
        ],
        right=["suspicion"],
    )


@app.command()
def bursts(
    look: Annotated[bool, typer.Option("--look", help="Look for new ones first, as the service does.")] = False,
    over: Annotated[bool, typer.Option("--over", help="Also those that are over.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List bursts of suspicion about a brand, a seller or a category."""
    from brands.ids import utc_now
    from screener.signals.counts import fetch_bursts
    from screener.signals.payloads import BurstOut
    from screener.signals.watch import look as look_now

    with open_truth(data_dir) as truth:
        if look:
            look_now(truth.database, now=utc_now())
        with truth.database.read() as conn:
            found = list(
                every(
                    lambda after: fetch_bursts(
                        conn, now=utc_now(), going_on=None if over else True, after=after, limit=500
                    )
                )
            )
    if as_json:
        print_json([BurstOut.model_validate(burst).model_dump(mode="json") for burst in found])
        return
    print_table(
        ["burst", "kind", "subject", "number", "expected", "chance", "since"],
        [
            (
                burst.id,
                burst.kind,
                burst.subject,
                burst.number,
                f"{burst.expected:.1f}",
                f"{burst.chance:.1e}",
                f"{burst.begins_at:%Y-%m-%d}",
            )
            for burst in found
        ],
        right=["number", "expected", "chance"],
    )


@app.command()
def classify(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A buyer's words.")], as_json: AsJson = False
) -> None:
    """Read one text, and store nothing."""
    from screener.signals.about import TextReader

    reading = TextReader(lambda: None).read(text)
    told = {
        "suspicion": reading.opinion.suspicion,
        "suspected": reading.opinion.suspected,
        "language": reading.language,
        "product": reading.product,
        "classifier": reading.classifier,
    }
    if as_json:
        print_json(told)
        return
    print_table(["", ""], list(told.items()))


def _store(truth: "Truth", news: "list[NewSignal]") -> "list[Signal]":
    """Stores signals in one transaction, as the shell's user."""
    from brands.ids import utc_now
    from screener.signals.store import add as add_signals
    from screener.signals.store import checked, read_all

    now = utc_now()
    ready = [checked(new, now) for new in news]
    readings = read_all(_reader(truth), ready)
    with truth.database.write() as conn:
        return list(add_signals(conn, ready, readings, actor=actor(), now=now))


def _reader(truth: "Truth") -> "TextReader":
    """Reads texts with the registry's names as they are now."""
    from screener.directory import read_directory
    from screener.signals.about import TextReader

    with truth.database.read() as conn:
        names = read_directory(conn).words
    return TextReader(lambda: names)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{file.name} is not UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    names = reader.fieldnames or []
    missing = [name for name in COLUMNS[:3] if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        raise Failure(f"The first line must name the columns {', '.join(COLUMNS)}; the first three are needed.")
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise Failure(f"{file.name}, line {reader.line_num}: {error}.") from None


def _new(row: dict[str, str]) -> "NewSignal":
    from screener.signals.store import NewSignal

    if None in row or any(value is None for value in row.values()):
        raise ValueError("the row has another number of cells than the first line")
    when = row.get("occurred_at") or None
    at = datetime.fromisoformat(when) if when else None
    if at is not None and at.tzinfo is None:
        raise ValueError("the time has no zone")
    optional = {name: row.get(name) or None for name in ("external_id", "seller_id", "language")}
    return NewSignal(row["kind"], row["listing_id"], row["text"], **optional, occurred_at=at)
