"""The command `evaluate market` of listing-screener-train."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def market(
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Directory with the measuring sets grocery, logos and copies; rendered brands if not given.",
        ),
    ] = None,
    listings: Annotated[
        int | None, typer.Option(min=20, help="About how many listings; 4000 rendered ones, or 1500 of photos.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market.")] = 7,
    work: Annotated[
        Path | None, typer.Option(help="Folder of the market; var/market-... if not given. What is there is kept.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Screen again what was screened before.")] = False,
    bundle: Annotated[str, typer.Option(help="Folder of the encoder bundle; the embedded one if empty.")] = "",
    judge: Annotated[str, typer.Option(help="Folder of the judge; the embedded one if empty.")] = "",
    policy: Annotated[str, typer.Option(help="File of its policy; the embedded one if empty.")] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for report.json, plots and index.html.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Bootstrap draws.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Screen a simulated market with the code that serves, and measure the verdicts beside four baselines."""
    from screener.judging.model import load_judge
    from screener.judging.policy import load_policy
    from screener.settings import Settings
    from training.market.evaluate import decider_of
    from training.market.report import print_market, write_market
    from training.market.run import LISTINGS_PHOTOS, LISTINGS_RENDERED, market_report, screened_market

    number = listings or (LISTINGS_PHOTOS if data else LISTINGS_RENDERED)
    folder = work or Path("var") / f"market-{'photos' if data else 'rendered'}-{number}-{seed}"
    settings = screened_market(folder, data=data, listings=number, seed=seed, bundle=bundle, again=again)
    words = (Path(word).name if "/" in word else word for word in sys.argv[1:])
    command = shlex.join(["listing-screener-train", *words])
    # What is served is judged again from the recorded features, so that a new judge needs no new screening.
    serving = Settings(judge=judge, policy=policy)
    decider = decider_of(load_judge(serving.judge_path), load_policy(serving.policy_path))
    found = market_report(folder, settings, command=command, decider=decider, draws=draws)
    if report is not None:
        write_market(found, report)
    if as_json:
        typer.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        print_market(found)
