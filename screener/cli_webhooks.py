"""Commands about webhooks: endpoints, the log of messages, sending again."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from brands.model import DeliveryState, EndpointState
from screener.cli_keys import parse_time
from screener.cli_open import DataDir, actor, every, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table
from screener.webhooks.types import TYPES

app = typer.Typer(help="Signed messages to the marketplace.", no_args_is_help=True)

EndpointId = Annotated[str, typer.Argument(metavar="ENDPOINT_ID", help="See `webhooks list`.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where messages go; begins with https://.")],
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"Which messages (repeat it); else all: {', '.join(TYPES)}."),
    ] = None,
    description: Annotated[str, typer.Option(help="What the endpoint is for.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and print its signing secret.

    It is shown this once: nothing of it is stored.
    """
    with open_truth(data_dir) as truth:
        endpoint, secret = truth.webhooks.add(actor=actor(), url=url, types=types or TYPES, description=description)
    _show(endpoint, secret, as_json)


@app.command("list")
def list_endpoints(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the endpoints, without their secrets."""
    with open_truth(data_dir) as truth:
        found = truth.webhooks.list()
    if as_json:
        print_json([_record(endpoint) for endpoint in found])
        return
    print_table(
        ["id", "state", "url", "types", "description"],
        [
            (one.id, one.state, one.url, "all" if one.types == TYPES else " ".join(one.types), one.description)
            for one in found
        ],
    )


@app.command()
def pause(endpoint_id: EndpointId, reason: Reason = "", data_dir: DataDir = None) -> None:
    """Keep an endpoint's messages waiting."""
    _set(endpoint_id, "paused", reason, data_dir)


@app.command()
def resume(endpoint_id: EndpointId, reason: Reason = "", data_dir: DataDir = None) -> None:
    """Deliver what waited and what comes."""
    _set(endpoint_id, "active", reason, data_dir)


@app.command()
def remove(endpoint_id: EndpointId, reason: Reason = "", data_dir: DataDir = None) -> None:
    """Remove an endpoint for good; what waits for it fails."""
    _set(endpoint_id, "removed", reason, data_dir)


@app.command()
def rotate(
    endpoint_id: EndpointId,
    keep_hours: Annotated[int, typer.Option(help="How long the old secret signs as well.", min=0, max=720)] = 24,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give an endpoint a new signing secret, and print it.

    For `--keep-hours`, messages are signed with both, so that the receiver can change over without a gap.
    """
    with open_truth(data_dir) as truth:
        endpoint, secret = truth.webhooks.rotate(
            actor=actor(), endpoint_id=endpoint_id, keep=timedelta(hours=keep_hours)
        )
    _show(endpoint, secret, as_json)


@app.command()
def test(endpoint_id: EndpointId, data_dir: DataDir = None) -> None:
    """Write a test message for an endpoint; the running server sends it.

    `webhooks messages` shows whether it arrived.
    """
    with open_truth(data_dir) as truth:
        message_id = truth.webhooks.send_test(actor=actor(), endpoint_id=endpoint_id)
    typer.echo(message_id)


@app.command()
def messages(
    endpoint: Annotated[str | None, typer.Option(metavar="ENDPOINT_ID", help="Those for this endpoint.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Those in this state at some endpoint.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List messages and what became of them at each endpoint."""
    from brands import checks
    from screener.webhooks.messages import list_messages
    from screener.webhooks.payloads import MessageOut

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(
            every(
                lambda after: list_messages(
                    connection, endpoint_id=endpoint, state=state, after=after, limit=checks.PAGE_MAX
                )
            )
        )
    if as_json:
        print_json([MessageOut.model_validate(message).model_dump(mode="json") for message in found])
        return
    print_table(
        ["id", "type", "endpoint", "state", "attempts", "next", "error"],
        [
            (message.id, message.type, one.endpoint_id, one.state, one.attempts, one.next_at, one.error)
            for message in found
            for one in message.deliveries
            if state in (None, one.state) and endpoint in (None, one.endpoint_id)
        ],
        right=["attempts"],
    )


@app.command()
def replay(
    message: Annotated[str | None, typer.Option(metavar="MESSAGE_ID", help="This message.")] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="ENDPOINT_ID", help="To this endpoint.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="All from then on that failed (ISO 8601)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="With --since: also what arrived.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Send messages again: one with --message, or those of an endpoint with --endpoint and --since."""
    from brands.ids import utc_now
    from screener.webhooks import messages as log

    if (message is None) == (since is None) or (since is not None and endpoint is None):
        raise Failure("Say --message, or --endpoint with --since.", exit_code=2)
    with open_truth(data_dir) as truth, truth.database.write() as connection:
        count = 1
        if message is not None:
            log.replay(connection, message, endpoint_id=endpoint, actor=actor(), at=utc_now())
        if since is not None and endpoint is not None:
            count = log.replay_since(
                connection, endpoint, since=since, only_failed=not everything, actor=actor(), at=utc_now()
            )
    typer.echo(f"{count} messages are sent again by the running server.")


def _set(endpoint_id: str, state: EndpointState, reason: str, data_dir: Any) -> None:
    with open_truth(data_dir) as truth:
        endpoint = truth.webhooks.set_state(actor=actor(), endpoint_id=endpoint_id, state=state, reason=reason)
    typer.echo(f"{endpoint.id} is {endpoint.state}.")


def _show(endpoint: Any, secret: str, as_json: bool) -> None:
    if as_json:
        print_json({"endpoint": _record(endpoint), "secret": secret})
    else:
        typer.echo(secret)
        typer.echo(f"{endpoint.id}; the secret is not shown again.", err=True)


def _record(endpoint: Any) -> dict[str, Any]:
    from screener.webhooks.payloads import EndpointOut

    return EndpointOut.model_validate(endpoint).model_dump(mode="json")
