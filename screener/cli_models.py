"""Commands by which releases of models change: from proposal to promotion and back, and the share of the shadow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli_bundles import list_bundles, verify
from screener.cli_models_show import Release, diff, list_releases, record, shadow_report, status, switch_record
from screener.cli_open import DataDir, actor, open_screener, open_truth
from screener.cli_output import AsJson, print_json, progress

if TYPE_CHECKING:
    from screener.releases.rows import ModelRelease, Switch

app = typer.Typer(
    help="Encoder bundles, judges and policies: what is served, and how it changes.", no_args_is_help=True
)
app.command("list")(list_releases)
app.command()(status)
app.command()(diff)
app.command("shadow-report")(shadow_report)
app.command("bundles")(list_bundles)
app.command()(verify)

Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
_Folder = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Default: the one that is served.")]
_File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Default: the one that is served.")]


@app.command()
def propose(
    report: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="What the evaluation of the candidate wrote."),
    ],
    bundle: _Folder = None,
    judge: _Folder = None,
    policy: _File = None,
    note: Annotated[str, typer.Option(help="What people should know.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Propose a candidate that passed every gate.

    Its models are copied into the data folder. Another person approves it with `models approve`.
    """
    from screener.releases.report import read_report

    with open_truth(data_dir) as truth:
        paths = truth.models.completed(bundle, judge, policy)
        release = truth.models.propose(paths, read_report(report), actor=actor(), note=note)
    _say(release, as_json, f"{release.id} is proposed; `listing-screener models approve {release.id}` is for another.")


@app.command()
def add(
    bundle: _Folder = None,
    judge: _Folder = None,
    policy: _File = None,
    data_dir: DataDir = None,
) -> None:
    """Copy models into the data folder of this machine.

    For servers that do not share one: each needs the models of a release before it can follow a promotion.
    """
    from screener.releases.rows import release_id

    with open_truth(data_dir) as truth:
        paths = truth.models.completed(bundle, judge, policy)
        models = truth.models.store.add(paths)
    typer.echo(f"{models.encoder}, {models.judge} and {models.policy}, together {release_id(models)}, are stored.")


@app.command()
def approve(model_id: Release, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Approve a proposed release.

    The proposer cannot, unless SCREENER_RELEASE_APPROVALS is 1.
    """
    with open_truth(data_dir) as truth:
        release = truth.models.approve(model_id, actor=actor())
    _say(release, as_json, f"{release.id} is approved; `listing-screener models promote {release.id}` switches to it.")


@app.command()
def refuse(model_id: Release, reason: Why, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Refuse a release that was proposed or approved."""
    with open_truth(data_dir) as truth:
        release = truth.models.refuse(model_id, actor=actor(), reason=reason)
    _say(release, as_json, f"{release.id} is refused.")


@app.command()
def promote(model_id: Release, reason: Why, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Promote an approved release.

    Embeds every reference with its encoder (what is done stays, should this be cut off), builds the snapshot, and
    switches encoder, snapshot, judge and policy in one step. Running servers follow within seconds.
    """
    with open_screener(data_dir) as service:
        with progress("references") as advance:
            switch = service.releases.promote(model_id, actor=actor(), reason=reason, progress=advance)
        fault = service.releases.fault
    _told(switch, as_json)
    if fault:
        typer.echo(f"It is refused on this machine: {fault}", err=True)


@app.command()
def rollback(
    reason: Why,
    model_id: Annotated[
        str | None, typer.Argument(metavar="MODEL_ID", help="The release to take back; default: what is served.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Go back to the whole previous release.

    Encoder, snapshot, judge and policy in one step. One person may do so. Running servers follow within seconds; a
    second rollback goes back further.
    """
    with open_truth(data_dir) as truth:
        switch = truth.models.rollback(model_id, actor=actor(), reason=reason)
    _told(switch, as_json)


@app.command()
def shadow(
    model_id: Release,
    share: Annotated[float, typer.Option(min=0, max=1, help="Of live listings, such as 0.1; 0 ends it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a candidate judge in the shadow.

    It judges a share of live listings without effect. Running servers follow within seconds; one candidate does so at
    a time.
    """
    with open_truth(data_dir) as truth:
        release = truth.models.shadow(model_id, share=share, actor=actor())
    _say(release, as_json, f"{release.id} judges {share:.0%} of live listings in the shadow.")


def _say(release: "ModelRelease", as_json: bool, words: str) -> None:
    if as_json:
        print_json(record(release))
    else:
        typer.echo(words)


def _told(switch: "Switch", as_json: bool) -> None:
    if as_json:
        print_json(switch_record(switch))
        return
    back = f"; a rollback goes back to {switch.previous_id}" if switch.previous_id else ""
    typer.echo(f"{switch.release_id} is served from now on ({switch.kind}){back}.")
