"""Commands that show releases of models: which there are, what differs, what one made of listings in the shadow."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli_open import DataDir, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

if TYPE_CHECKING:
    from screener.releases.report import Models
    from screener.releases.rows import ModelRelease, Switch
    from screener.releases.shadow_report import ShadowReport

Release = Annotated[str, typer.Argument(metavar="MODEL_ID", help="See `models list`.")]


def list_releases(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the releases.

    The one that was proposed last first; the served one is marked.
    """
    with open_truth(data_dir) as truth:
        models = truth.models
        served = models.served()
        records = [
            record(release) | {"served": release.models == served, "here": models.store.holds(release.models)}
            for release in models.list()
        ]
    if as_json:
        print_json(records)
        return
    print_table(
        ["served", "id", "state", "encoder", "judge", "policy", "shadow", "proposed", "by", "approved by"],
        [
            (
                "*" if row["served"] else "",
                row["id"],
                row["state"] if row["here"] else f"{row['state']}, not on this machine",
                *row["models"].values(),
                f"{row['shadow_share']:.0%}" if row["shadow_share"] else "",
                row["proposed_at"][:16],
                row["proposed_by"],
                row["approved_by"],
            )
            for row in records
        ],
        right=["shadow"],
    )


def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what is to be served.

    Also what judges in the shadow, and every switch, the newest first.
    """
    from dataclasses import asdict

    from screener.releases.rows import release_id

    with open_truth(data_dir) as truth:
        models, found = truth.models.served(), truth.models.promoted()
        shadowed, switches = truth.models.shadowed(), truth.models.switches()
        here = truth.models.store.holds(models)
    since = "the settings" if found is None else f"{found[0].kind} of {found[0].created_at:%Y-%m-%d %H:%M}"
    if as_json:
        print_json(
            {
                "served": release_id(models),
                "models": asdict(models),
                "here": here,
                "promoted": found is not None,
                "shadow": shadowed and {"id": shadowed.id, "share": shadowed.shadow_share},
                "switches": [switch_record(switch) for switch in reversed(switches)],
            }
        )
        return
    typer.echo(f"{release_id(models)} is served, by {since}: {models.encoder}, {models.judge}, {models.policy}")
    if not here:
        typer.echo("This machine does not have all of its models: `models add` copies them.", err=True)
    if shadowed:
        typer.echo(f"{shadowed.id} judges {shadowed.shadow_share:.0%} of live listings in the shadow.")
    if switches:
        print_table(
            ["when", "what", "release", "back to", "by", "reason"],
            [
                (
                    f"{one.created_at:%Y-%m-%d %H:%M}",
                    one.kind,
                    one.release_id,
                    one.previous_id,
                    one.created_by,
                    one.reason,
                )
                for one in reversed(switches)
            ],
        )


def diff(
    model_id: Release,
    other: Annotated[str | None, typer.Option("--with", metavar="MODEL_ID", help="Default: what is served.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two releases.

    Figures, what each feature can add to the log-odds, and thresholds side by side.
    """
    from screener.releases.diff import diff as compare

    with open_truth(data_dir) as truth:
        second = truth.models.get(model_id).models
        first = truth.models.served() if other is None else truth.models.get(other).models
        found = compare(truth.models.store, first, second)
    if as_json:
        print_json(found.record())
        return
    rows = [
        (kind, one.where, _cell(one.first), _cell(one.second))
        for kind, differences in (("encoder", found.encoder), ("judge", found.judge), ("policy", found.policy))
        for one in (*_ids(kind, first, second), *differences)
    ]
    print_table(["model", "value", other or "served", model_id], rows)
    if not rows:
        typer.echo("They are the same.")


def shadow_report(
    model_id: Release,
    most: Annotated[int, typer.Option(min=1, max=500, help="Disagreements to show.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what a candidate made in the shadow.

    Agreement with what was answered, cost, and the disagreements most worth a look first.
    """
    from screener.releases.shadow_report import read_report

    with open_truth(data_dir) as truth:
        release = truth.models.get(model_id)
        with truth.database.read() as connection:
            report = read_report(connection, release.id, most=most)
    if as_json:
        print_json(report.record())
    else:
        _print_shadow(report)


def record(release: "ModelRelease") -> dict[str, Any]:
    """A release as JSON, without the figures of its report."""
    from dataclasses import asdict

    report = release.report
    return {
        "id": release.id,
        "models": asdict(release.models),
        "state": release.state,
        "gates": list(report["gates"]) if report else [],
        "dataset": report["dataset"] if report else None,
        "shadow_share": release.shadow_share,
        "note": release.note,
        "proposed_at": release.proposed_at.isoformat(),
        "proposed_by": release.proposed_by,
        "approved_at": release.approved_at and release.approved_at.isoformat(),
        "approved_by": release.approved_by,
    }


def switch_record(switch: "Switch") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(switch) | {"created_at": switch.created_at.isoformat()}


def _ids(kind: str, first: "Models", second: "Models") -> list[Any]:
    from screener.releases.diff import Difference

    ours, theirs = getattr(first, kind), getattr(second, kind)
    return [] if ours == theirs else [Difference("id", ours, theirs)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return " ".join(_cell(one) for one in value)
    return "" if value is None else str(value)


def _print_shadow(report: "ShadowReport") -> None:
    if not report.listings:
        raise Failure("It has judged nothing in the shadow.", "`listing-screener models shadow` sets its share.")
    typer.echo(
        f"{report.listings} listings: the same verdict for {report.agreement:.1%}"
        f" ({report.agreement_low:.1%} to {report.agreement_high:.1%}), kappa {_cell(report.kappa) or 'not known'},"
        f" correlation of the log-odds {_cell(report.correlation) or 'not known'}"
    )
    typer.echo(
        f"{report.newly_flagged} would be prompted that were not, {report.no_longer_flagged} not that were,"
        f" {report.other_brand} of another brand"
    )
    if report.served_ms and report.shadow_ms:
        typer.echo(
            f"{report.shadow_ms.mean:.2f} ms a listing in the shadow (95 %: {report.shadow_ms.p95:.2f}),"
            f" {report.served_ms.mean:.2f} ms for a whole answer (95 %: {report.served_ms.p95:.2f})"
        )
    print_table(
        ["screening", "listing", "answered", "candidate", "difference", "dollars"],
        [
            (
                one.screening_id,
                one.listing_id,
                f"{one.served} {one.served_probability:.2f}",
                f"{one.shadow} {one.shadow_probability:.2f}",
                f"{one.difference:+.2f}",
                f"{one.value:.0f}",
            )
            for one in report.disagreements
        ],
        right=["difference", "dollars"],
    )
