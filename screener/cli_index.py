"""Commands about index snapshots: build the present one, list them, check them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli_open import DataDir, open_screener, settings_of
from screener.cli_output import AsJson, Failure, print_json, print_table, progress, shown

if TYPE_CHECKING:
    from index.snapshot import Manifest
    from screener.release import Release

app = typer.Typer(help="Index snapshots.", no_args_is_help=True)


@app.command()
def build(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Build a snapshot of the registry.

    References that are new are embedded first, and the words on them read (extra `ocr`). A running server does this by
    itself; this prepares its start, or repairs a damaged index.
    """
    with open_screener(data_dir) as service:
        before = _current(service.truth.settings.data_dir)
        with progress("references") as advance:
            service.refresher.refresh(advance)
        with progress("words on references") as advance:
            service.refresher.read_references(advance)
        serving = service.live.current
        assert serving is not None
    manifest, release = serving.snapshot.manifest, serving.release
    built = before is None or before.snapshot != release.snapshot
    left_out = len(serving.directory.entries) - manifest.count
    if as_json:
        print_json(_record(manifest, release) | {"release": release.id, "built": built, "left_out": left_out})
        return
    typer.echo(f"{manifest.id}: {manifest.count} vectors, {manifest.kind}, encoder {manifest.encoder_id}")
    typer.echo(f"{release.id} is {'switched to it' if built else 'up to date already'}.")
    if left_out:
        typer.echo(f"{left_out} vectors are left out: their pictures cannot be used.", err=True)


@app.command("list")
def list_index(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the snapshots on disk.

    Newest first; the one that a server would start with is marked.
    """
    from index.snapshot import list_snapshots
    from screener.release import read_pointer

    folder = settings_of(data_dir).data_dir
    release = read_pointer(folder)
    records = [_record(manifest, release) for manifest in list_snapshots(folder / "index")]
    if as_json:
        print_json(records)
        return
    print_table(
        ["served", "id", "vectors", "kind", "encoder", "built"],
        [
            (
                "*" if row["served"] else "",
                row["id"],
                row["vectors"],
                row["kind"],
                row["encoder_id"],
                row["created_at"],
            )
            for row in records
        ],
        right=["vectors"],
    )


@app.command()
def verify(
    snapshot_id: Annotated[
        str | None, typer.Argument(metavar="SNAPSHOT_ID", help="See `index list`; default: all of them.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check snapshots on disk.

    The hash of every file, and that their parts fit together.
    """
    from index.errors import SnapshotRefused
    from index.snapshot import load_snapshot, read_manifest

    root = settings_of(data_dir).data_dir / "index"
    folders = sorted(root.glob("snp_*"))
    if snapshot_id is not None:
        folders = [folder for folder in folders if folder.name == snapshot_id]
    if not folders:
        raise Failure(f"There is no such snapshot in {root}.", "`listing-screener index build` makes one.")
    records: list[dict[str, Any]] = []
    for folder in folders:
        fault = None
        try:
            load_snapshot(folder, encoder_id=read_manifest(folder).encoder_id)
        except SnapshotRefused as error:
            fault = error.message
        records.append({"id": shown(folder.name), "ok": fault is None, "fault": fault})
    if as_json:
        print_json(records)
    else:
        print_table(
            ["id", "state", "fault"],
            [(row["id"], "whole" if row["ok"] else "refused", row["fault"]) for row in records],
        )
    if refused := sum(not row["ok"] for row in records):
        raise Failure(f"{refused} of {len(records)} snapshots are refused.", "`listing-screener index build` repairs.")


def _current(folder: Path) -> "Release | None":
    """The release before a build; a damaged pointer is no release, because the build writes it anew."""
    from screener.errors import ReleaseRefused
    from screener.release import read_pointer

    try:
        return read_pointer(folder)
    except ReleaseRefused:
        return None


def _record(manifest: "Manifest", release: "Release | None") -> dict[str, Any]:
    return {
        "id": manifest.id,
        "served": release is not None and release.snapshot == manifest.id,
        "vectors": manifest.count,
        "kind": manifest.kind,
        "encoder_id": manifest.encoder_id,
        "dim": manifest.dim,
        "registry_version": manifest.registry_version,
        "created_at": manifest.created_at,
    }
