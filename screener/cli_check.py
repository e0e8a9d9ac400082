"""The command `check`: screens pictures and words from the shell, without a server."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from screener.cli_brands import decimal, price_of
from screener.cli_open import DataDir, actor, open_screener, read_picture, settings_of
from screener.cli_output import AsJson, Failure, print_json, print_table, progress, shown

if TYPE_CHECKING:
    from screener.payloads import ListingIn
    from screener.service import Service
    from screener.settings import Settings

LISTING_FILE = "listing.json"
SECONDS = 60.0
"""Time for a listing that names no deadline: nobody waits at a checkout."""


@dataclass(frozen=True, slots=True)
class Case:
    """A listing to screen, and the files of its pictures."""

    listing: "ListingIn"
    pictures: tuple[Path, ...]


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR",
            exists=True,
            help="The pictures of one listing; or a folder with listing.json and its pictures; or a folder of such"
            " folders; or a folder of pictures, each a listing of its own.",
        ),
    ],
    title: Annotated[str | None, typer.Option(help="The listing's title.")] = None,
    description: Annotated[str | None, typer.Option(help="The listing's description.")] = None,
    brand: Annotated[str | None, typer.Option(help="The brand that the seller declares.")] = None,
    seller: Annotated[str | None, typer.Option(help="Id of the seller.")] = None,
    price: Annotated[
        Decimal | None, typer.Option(parser=decimal, metavar="AMOUNT", help="What the seller asks.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of --price, such as EUR.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Screen listings from the shell.

    The answers are recorded like those of the server. The exit code tells whether everything was screened, not what
    the verdicts are.
    """
    asked = price_of(price, currency)
    words = {
        "title": title,
        "description": description,
        "brand": brand,
        "seller": None if seller is None else {"id": seller},
        "price": asked and {"amount": asked.amount, "currency": asked.currency},
    }
    settings = settings_of(data_dir)
    cases = _cases(paths, {name: value for name, value in words.items() if value is not None}, settings)
    for case in cases:
        if len(case.pictures) > settings.images:
            raise Failure(f"{case.listing.listing_id} has more than {settings.images} pictures.")
    answers = []
    with open_screener(data_dir) as service:
        with progress("references") as advance:
            service.refresher.refresh(advance)
        with progress("listings") as advance:
            for done, case in enumerate(cases, 1):
                answers.append(_screen(service, case))
                advance(done, len(cases))
    if as_json:
        print_json(answers)
    else:
        _print_answers(answers)


def _cases(paths: Sequence[Path], words: dict[str, Any], settings: "Settings") -> list[Case]:
    if not any(path.is_dir() for path in paths):
        return [Case(_listing(paths[0], words), tuple(paths))]
    if len(paths) > 1:
        raise typer.BadParameter("one folder, or files only", param_hint="FILE|DIR")
    folder = paths[0]
    folders = (
        [folder]
        if (folder / LISTING_FILE).is_file()
        else sorted(path.parent for path in folder.glob(f"*/{LISTING_FILE}"))
    )
    if folders and words:
        raise typer.BadParameter(f"{LISTING_FILE} has the listing's words; the options cannot change them")
    cases = [Case(_read_listing(place / LISTING_FILE, settings.json_depth), _pictures(place)) for place in folders]
    cases = cases or [Case(_listing(path, words), (path,)) for path in _pictures(folder)]
    if not cases:
        raise Failure(f"There is neither a listing nor a picture in {folder}.")
    return cases


def _pictures(folder: Path) -> tuple[Path, ...]:
    """Every visible file but JSON, by name: a picture that cannot be used has to show in the answer."""
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() != ".json"
    )


def _listing(picture: Path, words: dict[str, Any]) -> "ListingIn":
    return _validated({"listing_id": shown(picture.name), "title": "", "seller": {"id": "unknown"}} | words)


def _read_listing(path: Path, depth: int) -> "ListingIn":
    from screener import strict_json
    from screener.errors import BodyRefused

    try:
        return _validated(strict_json.loads(path.read_bytes(), max_depth=depth))
    except (Failure, BodyRefused) as error:
        raise Failure(f"{path}: {error}") from None


def _validated(fields: Any) -> "ListingIn":
    from pydantic import ValidationError

    from screener.payloads import ListingIn

    try:
        return ListingIn.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise Failure(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}.") from None


def _screen(service: "Service", case: Case) -> Any:
    from screener.screening import Submission

    started = time.monotonic()
    pictures = tuple(read_picture(path, service.truth.settings.image_bytes) for path in case.pictures)
    seconds = case.listing.deadline_ms / 1000 if case.listing.deadline_ms else SECONDS
    return service.screener.screen(Submission(case.listing.listing(), pictures, actor(), started + seconds, started))


def _print_answers(answers: Sequence[Any]) -> None:
    from screener.demo import STYLES

    print_table(
        ["listing", "verdict", "brand", "probability", "reasons", "ms"],
        [
            (
                answer["listing_id"],
                Text(answer["verdict"], style=STYLES[answer["verdict"]]),
                answer["brand"]["name"] or answer["brand"]["status"],
                f"{answer['probability']:.2f}",
                ", ".join(reason["code"] for reason in answer["reasons"]),
                f"{answer['timings_ms']['total']:.0f}",
            )
            for answer in answers
        ],
        right=["probability", "ms"],
    )
