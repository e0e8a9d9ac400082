"""Commands about encoder bundles: what is there, and whether it is whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli_open import DataDir, open_truth, settings_of
from screener.cli_output import AsJson, print_json, print_table, shown
from screener.errors import BundleRefused, ScreenerError

if TYPE_CHECKING:
    from screener.bundle import Bundle


def list_bundles(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the encoder bundles at hand.

    The embedded one, that of SCREENER_BUNDLE and those in the data folder, with the hash of every file checked; the
    one that a server would start with is marked.
    """
    from screener.bundle import load_bundle
    from screener.releases.store import BUNDLES
    from screener.settings import EMBEDDED_BUNDLES

    settings = settings_of(data_dir)
    folders = [path.parent for path in sorted(EMBEDDED_BUNDLES.glob("*/manifest.json"))]
    folders += [Path(settings.bundle)] if settings.bundle else []
    folders += [path.parent for path in sorted((settings.data_dir / BUNDLES).glob("*/manifest.json"))]
    served = _served_bundle(data_dir)
    records = []
    for folder in folders:
        mine = served is not None and served.resolve() == folder.resolve()
        try:
            records.append(_record(load_bundle(folder)) | {"served": mine, "fault": None})
        except BundleRefused as error:
            records.append({**dict.fromkeys(_FIELDS), "path": shown(folder), "served": mine, "fault": str(error)})
    if as_json:
        print_json(records)
        return
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


def verify(
    path: Annotated[Path | None, typer.Argument(metavar="PATH", help="A bundle; default: the served one.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check an encoder bundle.

    The hash of every file, whether it loads, and whether it computes its golden outputs.
    """
    from screener.bundle import load_bundle
    from screener.encoder import Encoder

    settings = settings_of(data_dir)
    bundle = load_bundle(path or _served_bundle(data_dir) or settings.bundle_path)
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


def _served_bundle(data_dir: Path | None) -> Path | None:
    """The bundle that a server would start with; None where nothing was set up yet, or it is not there."""
    settings = settings_of(data_dir)
    try:
        if not settings.database_url and not settings.database_path.exists():
            return settings.bundle_path
        with open_truth(data_dir) as truth:
            return truth.models.served_paths().bundle
    except ScreenerError:
        return None


def _record(bundle: "Bundle") -> dict[str, Any]:
    size = sum(file["bytes"] for file in bundle.manifest["files"].values())
    precision, parts = bundle.manifest["precision"], bundle.manifest["parts"]
    return dict(
        zip(_FIELDS, (shown(bundle.path), bundle.name, bundle.id, bundle.dim, precision, parts, size), strict=True)
    )
