"""Tells where a run stands: a line of JSON for each step, and MLflow where somebody asked for it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from training.finetune.data import FineTuningRefused

EXPERIMENT: Final = "listing-screener encoder"
RUN: Final = "mlflow-run.txt"
"""File in the work folder with the id of the tracked run, so that a resumed one goes on in it."""


class Tracker(Protocol):
    """Where losses and figures are sent."""

    def log(self, row: Mapping[str, float]) -> None:
        """One step's losses; `step` is its number."""

    def finish(self, figures: Mapping[str, float], bundle: Path) -> None:
        """The figures of the finished bundle, and its card as an artifact."""


def append_line(file: Path, row: Mapping[str, float]) -> None:
    """Appends a step's losses as a JSON line."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({key: round(value, 5) for key, value in row.items()}) + "\n")


@contextmanager
def open_tracker(uri: str | None, work: Path, params: Mapping[str, Any]) -> Iterator[Tracker]:
    """An MLflow run at `uri`, named by the file RUN in `work` when it is gone on with; without `uri` nothing is sent.

    FineTuningRefused where MLflow is not installed.
    """
    if uri is None:
        yield _Nowhere()
        return
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise FineTuningRefused("--mlflow needs MLflow: pip install 'listing-screener[mlflow]'") from error
    client = MlflowClient(tracking_uri=uri)
    tracker = _Mlflow(client, _run_id(client, work, params))
    try:
        yield tracker
    except BaseException:
        client.set_terminated(tracker.run_id, "FAILED")
        raise
    client.set_terminated(tracker.run_id, "FINISHED")


class _Nowhere:
    def log(self, row: Mapping[str, float]) -> None:
        pass

    def finish(self, figures: Mapping[str, float], bundle: Path) -> None:
        pass


class _Mlflow:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self.run_id = client, run_id

    def log(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step" and math.isfinite(value):
                self._client.log_metric(self.run_id, name, value, step=int(row["step"]))

    def finish(self, figures: Mapping[str, float], bundle: Path) -> None:
        for name, value in figures.items():
            self._client.log_metric(self.run_id, name, value)
        for name in ("CARD.md", "manifest.json"):
            self._client.log_artifact(self.run_id, str(bundle / name))


def _run_id(client: Any, work: Path, params: Mapping[str, Any]) -> str:
    held = work / RUN
    if held.is_file():
        run_id = held.read_text("utf-8").strip()
        client.update_run(run_id, status="RUNNING")
        return run_id
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment is not None else client.create_experiment(EXPERIMENT)
    run_id = str(client.create_run(number, run_name=f"{params['start']} on {params['dataset']}").info.run_id)
    for name, value in _flat(params).items():
        client.log_param(run_id, name, value)
    held.write_text(run_id + "\n", "utf-8")
    return run_id


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = str(value)
    return found
