"""The whole way from a frozen data set and a start to a bundle: gather, relate, train, export."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from training.finetune.batches import Plan
from training.finetune.bundle import write_bundle
from training.finetune.data import Corpus, FineTuningRefused, NothingGained, Source, gather
from training.finetune.generic import generic_pictures
from training.finetune.objective import WEIGHTS, Objective
from training.finetune.relations import Relations, relate
from training.finetune.start import Start, start_from_bundle
from training.finetune.student import Method, Student
from training.finetune.tracking import Tracker, append_line, open_tracker
from training.finetune.trainer import Schedule, Trainer, encode
from training.finetune.views import Views
from training.torch_setup import use_threads

SETTINGS, STATE, LOG = "run.json", "state.pt", "log.jsonl"
SCORES: Final[Mapping[str, float]] = {"copy": 0.85, "product": 0.6}
"""Cosines from which a start without operating points takes pictures for copies, and for the same thing."""
GENERIC_PICTURES: Final = 80
BLEND: Final = 0.5
"""`docs/finetuning.md` has what 1 costs on other photographs."""
Told = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may be told. `blocks`, `rank` are those of `Student`, `side` 0 is the size that is served."""

    method: Method = "last-blocks"
    blocks: int = 2
    rank: int = 8
    side: int = 0
    plan: Plan = field(default_factory=Plan)
    schedule: Schedule = field(default_factory=Schedule)
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    generic: int = GENERIC_PICTURES
    blend: float = BLEND
    """How far from the start's weights to the best ones the bundle's are."""

    def larger(self, times: int) -> Options:
        """The same with batches so many times as large, and as many more drawings of each picture: for a GPU."""
        plan = {name: times * count for name, count in asdict(self.plan).items()}
        return replace(self, plan=Plan(**plan))


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A prepared run: what it learns from, and its state."""

    start: Start
    corpus: Corpus
    relations: Relations
    views: Views
    trainer: Trainer


def finetune(
    frozen: Source,
    start: Start | Path,
    work: Path,
    out: Path,
    *,
    steps: int = 150,
    seed: int = 1,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 0,
    options: Options | None = None,
    precision: str = "int8",
    mlflow: str | None = None,
    until: int | None = None,
    tell: Told | None = None,
) -> Path:
    """Fine-tunes a start on the `train` split of a frozen data set and writes the bundle `out`; gives `out`.

    A killed run is gone on with by the same call; `work` keeps its state, settings and log. `tell` hears every step's
    losses; `mlflow` is the address of a tracking server, or a folder's; `until` stops after a step, without a bundle.

    Raises
    ------
    FineTuningRefused
        where the data set, the start or the settings do not fit, or `work` holds another run
    NothingGained
        where no weights were better than the start's on the held-out groups
    ExportRefused
        where `out` exists, or the bundle's parity fails
    """
    if out.exists():
        raise FineTuningRefused(f"{out} exists; a bundle is never overwritten")
    use_threads(threads)
    opened = start_from_bundle(start) if isinstance(start, Path) else start
    chosen = options or Options(schedule=Schedule(steps=steps))
    work.mkdir(parents=True, exist_ok=True)
    run = prepare(frozen, opened, chosen, seed=seed, device=device, workers=workers)
    try:
        settings = _settings(run, chosen, seed)
        _agree(work / SETTINGS, settings)
        if (work / STATE).is_file():
            run.trainer.load(work / STATE)
        with open_tracker(mlflow, work, settings) as tracker:
            _train(run.trainer, work, tracker, until, tell)
            if not run.trainer.done:
                return out
            if run.trainer.best_step == 0:
                raise NothingGained(
                    f"no weights of {run.trainer.step} steps were better than {opened.identity} on the held-out groups:"
                    " keep the encoder, or give more appraised listings"
                )
            run.trainer.use(run.trainer.blended(chosen.blend))
            figures = write_bundle(run, out, seed=seed, precision=precision, settings=settings)
            tracker.finish(figures, out)
    finally:
        run.views.close()
    return out


def prepare(frozen: Source, start: Start, options: Options, *, seed: int, device: str, workers: int) -> Run:
    """Gathers pictures and their relations, and builds the student and its run."""
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise FineTuningRefused("--device cuda: torch finds no GPU here")
    corpus = gather(frozen, generic_pictures(options.generic, seed=seed), seed=seed)
    built = {
        "method": options.method, "blocks": options.blocks, "rank": options.rank, "seed": seed, "device": place
    }  # fmt: skip
    student, teacher = (Student(start, **built) for _ in range(2))  # type: ignore[arg-type]  # a mapping of mixed types
    for value in teacher.model.parameters():
        value.requires_grad_(False)
    side = options.side or start.preprocess.size
    views = Views(corpus, student, teacher, side=side, seed=seed, workers=workers)
    vectors = encode(student, views, list(range(len(corpus))))
    points = start.bundle.operating_points if start.bundle else {}
    scores = {use: points[use].score if use in points else SCORES[use] for use in SCORES}
    relations = relate(
        corpus,
        student.part(vectors, "copy").cpu().numpy(),
        student.part(vectors, "product").cpu().numpy(),
        copy_score=scores["copy"],
        look_score=scores["product"],
    )
    objective = Objective(corpus, relations, _start_words(corpus, student), dict(options.weights))
    trainer = Trainer(corpus, relations, student, views, objective, options.plan, options.schedule, seed=seed)
    return Run(start, corpus, relations, views, trainer)


def _start_words(corpus: Corpus, student: Student) -> dict[str, NDArray[np.float32]]:
    words = sorted({word for picture in corpus.pictures for word in picture.words})
    found: dict[str, NDArray[np.float32]] = {}
    with torch.no_grad():
        for begin in range(0, len(words), 64):
            some = words[begin : begin + 64]
            vectors = student.part(student.words(some), "text").cpu().numpy()
            found.update(zip(some, vectors, strict=True))
    return found


def _train(trainer: Trainer, work: Path, tracker: Tracker, until: int | None, tell: Told | None) -> None:
    watched = sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=not watched, transient=True) as bar:
        task = bar.add_task("Fine-tuning", total=trainer.schedule.steps, completed=trainer.step)
        for row in trainer.run(until=until, state=work / STATE):
            append_line(work / LOG, row)
            tracker.log(row)
            bar.update(task, completed=trainer.step)
            if tell is not None:
                tell(row)


def _settings(run: Run, options: Options, seed: int) -> dict[str, Any]:
    """What makes two runs the same one."""
    return {
        "dataset": run.corpus.source_id,
        "pictures": run.corpus.fingerprint,
        "start": run.start.identity,
        "seed": seed,
        "method": options.method,
        "blocks": options.blocks,
        "rank": options.rank,
        "side": options.side,
        "blend": options.blend,
        "plan": asdict(options.plan),
        "schedule": asdict(options.schedule),
        "weights": dict(options.weights),
    }


def _agree(file: Path, settings: Mapping[str, Any]) -> None:
    """Notes the settings of a new run; FineTuningRefused where the folder holds another one."""
    if file.is_file():
        held = json.loads(file.read_text("utf-8"))
        if different := sorted(key for key in settings if held.get(key) != settings[key]):
            raise FineTuningRefused(
                f"{file.parent} holds another run, which differs in {', '.join(different)}: name another --work"
            )
        return
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
    temporary.replace(file)
