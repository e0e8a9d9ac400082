"""The command `judge train` of listing-screener-train."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError


def train(
    out: Annotated[Path, typer.Option(help="Folder to write the judge to.")],
    policy: Annotated[Path, typer.Option(help="File to write the policy to.")],
    market: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folder of a screened market (`evaluate market`); repeatable."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of appraised screenings (`dataset freeze`)."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of judge and policy.")] = "judge",
    start: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --dataset: the judge to begin with; SCREENER_JUDGE's if not given."),
    ] = None,
    start_policy: Annotated[
        Path | None, typer.Option(exists=True, help="With --dataset: its policy; SCREENER_POLICY's if not given.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --dataset: the encoder to fit for; SCREENER_BUNDLE's if not given."),
    ] = None,
    scratch: Annotated[
        Path | None, typer.Option(file_okay=False, help="With --dataset: keeps vectors of pictures for the next run.")
    ] = None,
    prompt_precision: Annotated[float, typer.Option(min=0, max=1, help="With --market: precision of prompts.")] = 0.90,
    review_precision: Annotated[float, typer.Option(min=0, max=1, help="With --market: precision of reviews.")] = 0.95,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="With which they hold.")] = 0.95,
    false_prompts: Annotated[
        float, typer.Option(min=0, help="With --market: most false prompts per 10,000 honest listings.")
    ] = 20.0,
) -> None:
    """Fit and calibrate a judge and set the bands of a policy.

    With --dataset the judge that serves is moved towards appraisals, and its policy's target stays. With --market one
    is fitted from scratch to a simulated market and compared with gradient boosting and regression.
    """
    if bool(market) == bool(dataset):
        raise typer.BadParameter("give --market or --dataset, and not both", param_hint="--market")
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    if dataset:
        _to_appraisals(dataset, out, policy, name, start, start_policy, bundle, scratch, command)
        return
    from training.judge_fit import Noise
    from training.judge_train import print_trained, train, write
    from training.market.dataset import load
    from training.market.model import load_market
    from training.policy_fit import Target

    folders = market or []
    datasets = {folder.name: load(folder) for folder in folders}
    if len(datasets) < len(folders):
        raise TrainingError("the folders of two markets have the same name")
    rates = load_market().raw["appraisal"]
    noise = Noise(rates["authentic_as_counterfeit"], rates["counterfeit_as_authentic"])
    target = Target(prompt_precision, review_precision, confidence, false_prompts)
    trained = train(datasets, noise=noise, target=target)
    judge, text = write(
        trained,
        folder=out,
        policy=policy,
        name=name,
        prevalence=next(iter(datasets.values())).prevalence,
        noise=noise,
        source={"command": command, "listings": {name: len(data) for name, data in datasets.items()}},
    )
    print_trained(trained)
    typer.echo(f"{judge} in {out}; policy in {policy}\n{text}")


def _to_appraisals(
    dataset: Path,
    out: Path,
    policy: Path,
    name: str,
    start: Path | None,
    start_policy: Path | None,
    bundle: Path | None,
    scratch: Path | None,
    command: str,
) -> None:
    from screener.settings import Settings
    from training.candidate.judge import train_judge
    from training.frozen import open_dataset

    serving = Settings()
    trained = train_judge(
        open_dataset(dataset),
        out=out,
        policy_out=policy,
        name=name,
        start=start or serving.judge_path,
        start_policy=start_policy or serving.policy_path,
        bundle=bundle or serving.bundle_path,
        scratch=scratch,
        command=command,
    )
    held = trained.figures["held out"]
    typer.echo(
        f"{trained.judge_id} in {out}; policy {trained.policy_id} in {policy}\n"
        f"fitted to {trained.figures['rows']} appraised items, {trained.figures['counterfeits']} of them counterfeit; "
        f"ridge {trained.fit.choice.ridge:g}\naverage precision on items whose groups were held out: "
        f"{held['candidate']['average precision']:.3f}, serving {held['serving']['average precision']:.3f}\n"
        f"bands: {trained.figures['how the bands were set']}"
    )
