"""The command `judge train` of listing-screener-train."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError


def train(
    market: Annotated[
        list[Path],
        typer.Option(exists=True, file_okay=False, help="Folder of a screened market (`evaluate market`); repeatable."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the judge to.")],
    policy: Annotated[Path, typer.Option(help="File to write the policy to.")],
    name: Annotated[str, typer.Option(help="Name of judge and policy.")] = "judge",
    prompt_precision: Annotated[float, typer.Option(min=0, max=1, help="Precision of prompts.")] = 0.90,
    review_precision: Annotated[float, typer.Option(min=0, max=1, help="Precision of reviews.")] = 0.95,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="With which they hold.")] = 0.95,
    false_prompts: Annotated[float, typer.Option(min=0, help="Most false prompts per 10,000 honest listings.")] = 20.0,
) -> None:
    """Fit and calibrate a judge, set the bands of a policy, and compare with gradient boosting and regression."""
    from training.judge_fit import Noise
    from training.judge_train import print_trained, train, write
    from training.market.dataset import load
    from training.market.model import load_market
    from training.policy_fit import Target

    datasets = {folder.name: load(folder) for folder in market}
    if len(datasets) < len(market):
        raise TrainingError("the folders of two markets have the same name")
    rates = load_market().raw["appraisal"]
    noise = Noise(rates["authentic_as_counterfeit"], rates["counterfeit_as_authentic"])
    target = Target(prompt_precision, review_precision, confidence, false_prompts)
    trained = train(datasets, noise=noise, target=target)
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
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
