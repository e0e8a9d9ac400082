"""Writes the card of a fine-tuned bundle: what it was made from, how, and what the held-out groups say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from screener.bundle import Bundle
from training.finetune.data import Corpus
from training.finetune.start import Start


def card_text(
    bundle: Bundle,
    start: Start,
    corpus: Corpus,
    settings: Mapping[str, Any],
    steps: int,
    figures: Mapping[str, float],
) -> str:
    """The card in Markdown."""
    kinds = Counter(
        (picture.side, "references" if picture.reference else "listings" if picture.row else "drawn")
        for picture in corpus.pictures
    )
    trained, held = len(corpus.of(held_out=False)), len(corpus.of(held_out=True))
    names = sorted({name.removesuffix("_after") for name in figures if name.endswith("_after")})
    lines = [
        f"# {bundle.name} ({bundle.id})",
        "",
        f"Fine-tuned from {start.name} ({start.identity}) on the data set {settings['dataset']}: the references and the"
        " appraised listings of one marketplace. What the start is for and not for holds for it too; see its card.",
        "",
        f"- {steps} steps, method `{settings['method']}`, seed {settings['seed']}; {trained} pictures trained on,"
        f" {held} held out by seller group (and one reference in five).",
        f"- Pictures: {', '.join(f'{count} {side} ({where})' for (side, where), count in sorted(kinds.items()))}.",
        "- Only rows of the split `train` were read; what is measured below was neither trained on, nor is it the split"
        " `test`: the run was stopped by it, so it flatters. Measure on `test` before serving.",
        "",
        "## Held-out groups",
        "",
        "Losses of the float model (lower is better), and the share of genuine pairs over the threshold (higher is"
        " better), the start before and this bundle after, through the code that serves.",
        "",
        "| | before | after |",
        "|---|---|---|",
        *[f"| {name} | {_number(figures, name, 'before')} | {_number(figures, name, 'after')} |" for name in names],
        "",
        "## Operating points",
        "",
        "Each lies where the share of wrong pairs above it is that of the start at its own threshold, on pictures of"
        " held-out groups: what counts as a match means what it meant.",
        "",
        "| use | score | share of the background | false match rate (per pair) | recall | measured on |",
        "|---|---|---|---|---|---|",
        *[
            f"| {use} | {p.score:.3f} | {p.background_share:g} | {p.false_match_rate:.1e} |"
            f" {'-' if p.recall is None else f'{p.recall:.2f}'} | {p.measured_on} |"
            for use, p in bundle.operating_points.items()
        ],
        "",
    ]
    if "background_cosine" in figures:
        lines += [
            "The background vectors are the start's, moved by a linear map fitted on this data set's pictures; on"
            f" held-out ones its mean cosine with the true vectors is {figures['background_cosine']:.4f}.",
            "",
        ]
    made = {**bundle.manifest["source"], "plan": settings["plan"], "weights": settings["weights"]}
    lines += ["## How this one was made", "", *[f"- {key}: `{value}`" for key, value in made.items()], ""]
    return "\n".join(lines)


def _number(figures: Mapping[str, float], name: str, when: str) -> str:
    value = figures.get(f"{name}_{when}")
    return "-" if value is None else f"{value:.4f}"
