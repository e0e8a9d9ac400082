"""Commands about API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from brands.model import ApiKey, Scope
from screener.cli_open import DataDir, actor, every, open_truth
from screener.cli_output import AsJson, print_json, print_table

app = typer.Typer(help="API keys.", no_args_is_help=True)


def parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a time is written like 2027-01-31 or 2027-01-31T12:00:00+01:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@app.command()
def create(
    scope: Annotated[
        Scope,
        typer.Option(
            help="hook: screen listings; brand: see and change one brand; reviewer: decide cases; ml: learn from them;"
            " ops: keep it running; admin: everything."
        ),
    ],
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="The brand of the scope brand.")] = None,
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    expires: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="When it ends (ISO 8601; UTC if not said)."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it.

    It is shown this once: only a hash of it is stored.
    """
    with open_truth(data_dir, existing=False) as truth:
        key, plaintext = truth.keys.create(actor=actor(), scope=scope, brand_id=brand, label=label, expires_at=expires)
    _show(key, plaintext, as_json)


@app.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    with open_truth(data_dir) as truth:
        keys = list(every(lambda after: truth.keys.list(after=after)))
    if as_json:
        print_json([_record(key) for key in keys])
        return
    now = datetime.now(UTC)
    print_table(
        ["id", "scope", "brand", "label", "state", "last used"],
        [(key.id, key.scope, key.brand_id, key.label, _state(key, now), key.last_used_at) for key in keys],
    )


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="See `keys list`.")],
    keep_hours: Annotated[int, typer.Option(help="How long the old key goes on.", min=0, max=720)] = 24,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that takes over from another, and print it.

    Both work for `--keep-hours`, so that whoever uses the key can change over without a gap.
    """
    with open_truth(data_dir) as truth:
        key, plaintext = truth.keys.rotate(actor=actor(), key_id=key_id, keep=timedelta(hours=keep_hours))
    _show(key, plaintext, as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="See `keys list`.")], data_dir: DataDir = None
) -> None:
    """Make a key useless.

    Running servers follow within five seconds.
    """
    with open_truth(data_dir) as truth:
        key = truth.keys.revoke(actor=actor(), key_id=key_id)
    typer.echo(f"{key.id} is revoked.")


def _show(key: ApiKey, plaintext: str, as_json: bool) -> None:
    if as_json:
        print_json({"key": _record(key), "plaintext": plaintext})
    else:
        typer.echo(plaintext)
        typer.echo(f"{key.id}, scope {key.scope}; it is not shown again.", err=True)


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= now else "active"


def _record(key: ApiKey) -> dict[str, Any]:
    from brands.payloads import KeyOut

    return KeyOut.model_validate(key).model_dump(mode="json")
