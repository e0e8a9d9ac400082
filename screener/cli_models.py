"""Commands about encoder bundles: what is there, and whether it is whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli_open import settings_of
from screener.cli_output import AsJson, print_json, print_table, shown
from screener.errors import BundleRefused

if TYPE_CHECKING:
    from screener.bundle import Bundle

app = typer.Typer(help="Encoder bundles.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the bundles at hand.

    The embedded one and that of SCREENER_BUNDLE, with the hash of every file checked; the served one is marked.
    """
    from screener.bundle import load_bundle
    from screener.settings import EMBEDDED_BUNDLES

    settings = settings_of(None)
    embedded = sorted(path.parent for path in EMBEDDED_BUNDLES.glob("*/manifest.json"))
    given = [Path(settings.bundle)] if settings.bundle else []
    records = []
    for folder in [*embedded, *given]:
        served = folder in (given or embedded)
        try:
            records.append(_record(load_bundle(folder)) | {"served": served, "fault": None})
        except BundleRefused as error:
            records.append({**dict.fromkeys(_FIELDS), "path": shown(folder), "served": served, "fault": str(error)})
    if as_json:
        print_json(records)
    else:
        print_table(
            ["served", "name", "id", "dimensions", "precision", "parts", "MB", "path", "fault"],
            [
                (
                    "*" if row["served"] else "",
                    row["name"],
                    row["id"],
                    row["dim"],
                    "/".join(row["precision"].values()) if row["precision"] else "",
                    ", ".join(part["name"] for part in row["parts"] or ()),
                    row["bytes"] and f"{row['bytes'] / 1e6:.1f}",
                    row["path"],
                    row["fault"],
                )
                for row in records
            ],
            right=["dimensions", "MB"],
        )


@app.command()
def verify(
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A bundle; default: the one of the settings.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a bundle.

    The hash of every file, whether it loads, and whether it computes its golden outputs.
    """
    from screener.bundle import load_bundle
    from screener.encoder import Encoder

    settings = settings_of(None)
    bundle = load_bundle(path or settings.bundle_path)
    encoder = Encoder(bundle, workers=settings.encode_workers)
    try:
        encoder.check_golden()
    finally:
        encoder.close()
    if as_json:
        print_json(_record(bundle))
    else:
        typer.echo(f"{bundle.id} ({bundle.name}) is whole, and computes its golden outputs.")


_FIELDS = ("path", "name", "id", "dim", "precision", "parts", "bytes")


def _record(bundle: "Bundle") -> dict[str, Any]:
    size = sum(file["bytes"] for file in bundle.manifest["files"].values())
    precision, parts = bundle.manifest["precision"], bundle.manifest["parts"]
    return dict(
        zip(_FIELDS, (shown(bundle.path), bundle.name, bundle.id, bundle.dim, precision, parts, size), strict=True)
    )
