"""The command `evaluate candidate` of listing-screener-train."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

_SERVING = "; the one that SCREENER_{} names, or the embedded one, if not given."


def candidate(
    dataset: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the frozen data set.")],
    report: Annotated[Path, typer.Option(file_okay=False, help="Folder for report.json, plots and index.html.")],
    bundle: Annotated[
        Path | None, typer.Option(exists=True, help="The candidate's encoder; serving's if not given.")
    ] = None,
    judge: Annotated[Path | None, typer.Option(exists=True, help="Its judge; serving's if not given.")] = None,
    policy: Annotated[Path | None, typer.Option(exists=True, help="Its policy; serving's if not given.")] = None,
    serving_bundle: Annotated[
        Path | None, typer.Option(exists=True, help="Encoder that serves" + _SERVING.format("BUNDLE"))
    ] = None,
    serving_judge: Annotated[
        Path | None, typer.Option(exists=True, help="Judge that serves" + _SERVING.format("JUDGE"))
    ] = None,
    serving_policy: Annotated[
        Path | None, typer.Option(exists=True, help="Policy that serves" + _SERVING.format("POLICY"))
    ] = None,
    suite: Annotated[
        Path, typer.Option(file_okay=False, help="Folder of the open-set suite; made if it is not there.")
    ] = Path("var/open-set"),
    suite_size: Annotated[int, typer.Option(min=20, help="Listings of the suite.")] = 240,
    scratch: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder that keeps vectors of pictures for the next run.")
    ] = None,
    reading_ms: Annotated[
        int | None,
        typer.Option(min=0, help="Time for the words in a listing's pictures; SCREENER_READING_MS if not given."),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap draws.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold a candidate against what serves, through the serving code, and try every gate; exit code 1 if one fails."""
    from screener.settings import Settings
    from training.candidate.evaluate import evaluate_candidate
    from training.candidate.report import print_candidate, write_candidate
    from training.candidate.screened import Side
    from training.frozen import open_dataset

    settings = Settings()
    serving = Side(
        serving_bundle or settings.bundle_path,
        serving_judge or settings.judge_path,
        serving_policy or settings.policy_path,
    )
    words = (Path(word).name if "/" in word else word for word in sys.argv[1:])
    found = evaluate_candidate(
        open_dataset(dataset),
        candidate=Side(bundle or serving.bundle, judge or serving.judge, policy or serving.policy),
        serving=serving,
        suite=suite,
        suite_size=suite_size,
        scratch=scratch,
        reading_ms=reading_ms,
        draws=draws,
        seed=seed,
        command=shlex.join(["listing-screener-train", *words]),
    )
    path = write_candidate(found, report)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        print_candidate(found)
        typer.echo(f"{'every gate is passed' if found.passed else 'refused'}; report in {path}")
    if not found.passed:
        raise typer.Exit(1)
