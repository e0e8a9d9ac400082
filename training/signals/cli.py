"""The commands `signals train`, `signals measure` and `signals bursts` of listing-screener-train."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The classifier of buyers' texts, and the watch for bursts.", no_args_is_help=True)

Texts = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Sentences of your own: lines of `+ text` (suspects a counterfeit) and `- text` under `[language]`.",
    ),
]


@app.command()
def train(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for model.json and model.npz.")],
    texts: Texts = None,
) -> None:
    """Fit the classifier on the corpus that comes with the program, and on texts of your own.

    The same input gives the same model; without --texts it is the one that is served.
    """
    from training.signals.corpus import read
    from training.signals.fit import fit, write
    from training.signals.measure import figures_of, print_figures

    fitted = fit(read(texts.read_text("utf-8"))[0] if texts else ())
    identifier = write(fitted, out, figures=figures_of(fitted.classifier()))
    print_figures(out)
    typer.echo(f"{identifier} in {out}")


@app.command()
def measure(
    model: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of a model; the one served if left out.")
    ] = None,
    texts: Texts = None,
    misses: Annotated[bool, typer.Option("--misses", help="Print the sentences that were read wrongly.")] = False,
) -> None:
    """Measure a classifier on the sentences it never saw, by language, and beside the replica vocabulary alone."""
    from training.signals.measure import print_measured

    print_measured(model, texts, misses=misses)


@app.command()
def bursts(
    years: Annotated[int, typer.Option(min=1, help="Years of noise.")] = 2,
    rises: Annotated[int, typer.Option(min=1, help="Rises of each kind.")] = 30,
    subjects: Annotated[int, typer.Option(min=1, help="Brands, sellers or categories that are watched.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the invented counts.")] = 1,
) -> None:
    """Measure false alarms and delays of the watch for bursts, on invented counts."""
    from training.signals.bursts_measure import Noise, measure

    times, rates = (3.0, 5.0, 10.0), (0.1, 0.5, 2.0)
    for rate in (0.05, 0.5):
        for spread in (1.0, 2.0):
            found = measure(
                Noise(subjects, rate, spread), years=years, rises=rises, times=times, rates=rates, seed=seed
            )
            typer.echo(
                f"{subjects} subjects, {rate:g} suspicions a day each, variance {spread:g} x mean:"
                f" {found.false_a_year:.2f} false bursts a year"
            )
            for (usual, factor), (share, days) in found.rises.items():
                seen = f"{days:g} days in the median" if days is not None else "never"
                typer.echo(f"  {usual:g} a day rises {factor:g}x: {share:.0%} seen within 14 days, {seen}")
