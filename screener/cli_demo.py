"""The commands `samples` and `demo`: fictional brands and listings, screened over HTTP by a server of their own."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from screener.cli_open import actor, open_screener, open_truth
from screener.cli_output import Failure, output, progress
from screener.cli_server import Running, running_server

if TYPE_CHECKING:
    from screener.service import Service

KEY_LIFE = timedelta(days=7)
"""Demo keys are revoked at the end; should the demo be killed, they end by themselves."""


def samples(
    directory: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder to write, made if absent.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures.")] = 7,
) -> None:
    """Write sample brands and listings.

    They are fictional: DIR/brands is for `brands import`, DIR/listings for `check`.
    """
    from screener.samples import generate

    with Console(stderr=True).status("Rendering the samples"):
        written = generate(directory, seed=seed)
    typer.echo(f"{len(written.brands)} brands in {written.brands_dir}")
    typer.echo(f"{len(written.listings)} listings in {written.listings_dir}")


def demo(
    data_dir: Annotated[
        Path, typer.Option("--data-dir", file_okay=False, help="Folder of the demo's own registry and samples.")
    ] = Path("var/demo"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on, or a free one if it is taken.")
    ] = 8000,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the server running until Ctrl-C.")] = False,
) -> None:
    """Screen the samples over HTTP.

    Registers the sample brands, starts a server, sends it the sample listings and prints its verdicts.
    """
    from screener.demo import run_demo

    # The demo's brands must not get into a registry that somebody uses.
    os.environ["SCREENER_DATABASE_URL"] = ""
    samples_dir = data_dir / "samples"
    samples(samples_dir)
    _prepare(data_dir, samples_dir / "brands")
    with _keys(data_dir, keep) as keys, _ending_on_sigterm(), running_server(data_dir, port) as server:
        failed = run_demo(server.url, keys["hook"], samples_dir, output())
        if keep:
            _keep(server, keys)
    if failed:
        raise Failure("Not every sample listing was answered.", f"See {server.log}.")


def _prepare(data_dir: Path, brands: Path) -> None:
    """Registers the sample brands and builds the index, where progress can be seen."""
    from brands.importer import import_folder
    from screener.governance.bulk import settle_all

    with open_screener(data_dir) as service:
        with progress("sample brands") as advance:
            outcomes = list(
                import_folder(
                    brands,
                    service.truth.registry,
                    service.admit,
                    actor=actor(),
                    progress=lambda _, done, total: advance(done, total),
                )
            )
        for outcome in outcomes:
            if outcome.imported is None:
                raise Failure(f"{outcome.fault}: {outcome.message}", f"Delete {brands.parent} and start again.")
        with progress("impact checks") as advance:
            settle_all(service.doors, service.refresher, lambda done: advance(done, done))
            _admit_held(service)
        with progress("index") as advance:
            service.refresher.refresh(advance)
        with progress("words on references") as advance:
            service.refresher.read_references(advance)
        serving = service.live.current
        assert serving is not None
        typer.echo(f"{len(outcomes)} brands, {serving.directory.references} references in the index")


def _admit_held(service: "Service") -> None:
    """Lets in the samples that the impact check holds back: drawn goods of one kind look alike whatever the brand."""
    from brands import approvals
    from brands.approvals import Decider
    from brands.checks import PAGE_MAX

    with service.truth.database.read() as connection:
        held = approvals.waiting(connection, limit=PAGE_MAX)
    for reference in held:
        service.doors.approve(Decider.operator(actor()), reference.id, override=True, reason="a sample of the demo")


@contextmanager
def _keys(data_dir: Path, keep: bool) -> Iterator[dict[str, str]]:
    """Keys of the demo by scope, but the hook's only for a person who goes on trying; revoked at the end."""
    from brands.ids import utc_now
    from brands.model import Scope

    scopes: list[Scope] = ["hook", "brand", "reviewer", "ml", "admin"] if keep else ["hook"]
    with open_truth(data_dir) as truth:
        first = truth.registry.list_brands(limit=1)[0]
        made = [
            truth.keys.create(
                actor=actor(),
                scope=scope,
                brand_id=first.id if scope == "brand" else None,
                label="demo",
                expires_at=utc_now() + KEY_LIFE,
            )
            for scope in scopes
        ]
    try:
        yield {key.scope: plaintext for key, plaintext in made}
    finally:
        with open_truth(data_dir) as truth:
            for key, _ in made:
                truth.keys.revoke(actor=actor(), key_id=key.id)


def _keep(server: Running, keys: dict[str, str]) -> None:
    typer.echo("\nAPI keys, valid until the server is stopped:")
    for scope, key in keys.items():
        typer.echo(f"  {scope:<8}  {key}")
    typer.echo(f"Pages: {server.url}/app/ (sign in with the key of brand, reviewer, ml or admin)")
    typer.echo(f"Try: curl -H 'Authorization: Bearer {keys['admin']}' {server.url}/v1/brands")
    typer.echo(f"Log: {server.log}. Ctrl-C stops the server.")
    try:
        code = server.process.wait()
    except KeyboardInterrupt:
        return
    raise Failure(f"The server ended with exit code {code}.", f"See {server.log}.")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Makes SIGTERM end the block in order, so that the server does not outlive it."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
