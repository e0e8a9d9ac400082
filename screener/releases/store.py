"""Models kept in the data folder under their ids: written once, checked before and after, never changed.

`models/<bundle id>/`, `judges/<judge id>/`, `policies/<policy id>.toml`. What comes with the distribution or is named
in the settings is found by its id as well, but a package upgrade or an edit may take it away: what was once served is
copied here.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from brands.durable import make_folder
from index.durable import locked, publish_folder, write_file
from screener.bundle import MANIFEST, Bundle, load_bundle
from screener.drift.baseline import FILE as BASELINE
from screener.errors import BundleRefused, JudgeRefused, PolicyRefused, ReleaseRefused
from screener.judging.model import GRAPH, Judge, load_judge
from screener.judging.policy import Policy, load_policy
from screener.releases.report import Models
from screener.settings import EMBEDDED_BUNDLES, EMBEDDED_JUDGE, EMBEDDED_POLICY, Settings

BUNDLES: Final = "models"
JUDGES: Final = "judges"
POLICIES: Final = "policies"
_CARD: Final = "CARD.md"

Model = TypeVar("Model", Bundle, Judge)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the models of a release are: two folders and a file."""

    bundle: Path
    judge: Path
    policy: Path


class ModelStore:
    """The models of one data folder; threads and processes may share it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is written before something is added."""
        self._settings, self._folder = settings, settings.data_dir

    @property
    def configured(self) -> Paths:
        """What the settings name, or what comes with the distribution. Raises BundleRefused where that is not one."""
        return Paths(self._settings.bundle_path, self._settings.judge_path, self._settings.policy_path)

    def add(self, paths: Paths) -> Models:
        """Copies a bundle, a judge and a policy; gives their ids. What is stored already stays as it is.

        Raises
        ------
        BundleRefused, JudgeRefused, PolicyRefused
            what is to be copied, or what was stored before under its id, is not whole
        ReleaseRefused
            the policy was made for another judge (`policy_of_another_judge`), or another model is stored under an id
            (`model_differs`)
        """
        bundle, judge, policy = load_bundle(paths.bundle), load_judge(paths.judge), load_policy(paths.policy)
        check_policy(judge, policy)
        files = [MANIFEST, *bundle.manifest["files"]]
        self._add(paths.bundle, BUNDLES, bundle.id, files, load_bundle)
        beside = [name for name in (_CARD, BASELINE) if (paths.judge / name).is_file()]
        self._add(paths.judge, JUDGES, judge.id, [MANIFEST, GRAPH, *beside], load_judge)
        self._add_policy(paths.policy, policy.id)
        return Models(bundle.id, judge.id, policy.id)

    def find(self, models: Models) -> Paths:
        """Where models are, by their ids: stored, embedded, or named in the settings; not yet checked.

        Raises
        ------
        ReleaseRefused
            this server does not have one of them (`model_missing`)
        """
        bundles = [self._folder / BUNDLES / models.encoder, *_embedded(), *_given(self._settings.bundle)]
        judges = [self._folder / JUDGES / models.judge, EMBEDDED_JUDGE, *_given(self._settings.judge)]
        policies = [self._folder / POLICIES / f"{models.policy}.toml", EMBEDDED_POLICY, *_given(self._settings.policy)]
        bundle = next((path for path in bundles if _named(path) == models.encoder), None)
        judge = next((path for path in judges if _named(path) == models.judge), None)
        policy = next((path for path in policies if _policy_id(path) == models.policy), None)
        if bundle is None or judge is None or policy is None:
            kinds = {"encoder bundle": bundle, "judge": judge, "policy": policy}
            missing = ", ".join(kind for kind, path in kinds.items() if path is None)
            raise ReleaseRefused(
                f"This server has no {missing} of the release; `models add` copies it here.", code="model_missing",
                status=409,
            )  # fmt: skip
        return Paths(bundle, judge, policy)

    def holds(self, models: Models) -> bool:
        """Whether this server has all three; not whether they are whole."""
        try:
            self.find(models)
        except ReleaseRefused:
            return False
        return True

    def _add(self, source: Path, kind: str, identifier: str, files: list[str], load: Callable[[Path], Model]) -> None:
        final = self._folder / kind / identifier
        with self._writing(kind):
            if final.exists():
                load(final)
                if (final / MANIFEST).read_bytes() != (source / MANIFEST).read_bytes():
                    raise ReleaseRefused(
                        "Another model is stored under this id: what it computes is the same, what it says of itself"
                        " is not.",
                        code="model_differs",
                        status=409,
                    )
                return
            temporary = final.with_name(f".{identifier}.tmp")
            temporary.mkdir()
            for name in files:
                shutil.copyfile(source / name, temporary / name, follow_symlinks=False)
            if load(temporary).id != identifier:
                raise ReleaseRefused("The model changed while it was copied.", code="model_differs", status=409)
            publish_folder(temporary, final)

    def _add_policy(self, source: Path, identifier: str) -> None:
        final = self._folder / POLICIES / f"{identifier}.toml"
        with self._writing(POLICIES):
            if not final.exists():
                write_file(final, source.read_bytes())
            if load_policy(final).id != identifier:
                raise PolicyRefused(f"policy {final} is not what it was stored as")

    @contextmanager
    def _writing(self, kind: str) -> Iterator[None]:
        """One writer at a time; what a killed one left half written is removed."""
        folder = self._folder / kind
        make_folder(folder)
        with locked(folder):
            for leftover in folder.glob(".*.tmp"):
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()
            yield


def ids_of(paths: Paths) -> Models:
    """The ids of models, which are not loaded for it; a damaged one is noticed when it is opened.

    Raises
    ------
    BundleRefused, JudgeRefused, PolicyRefused
        one of them has no id
    """
    encoder, judge = _named(paths.bundle), _named(paths.judge)
    if encoder is None:
        raise BundleRefused(f"bundle {paths.bundle} has no readable manifest")
    if judge is None:
        raise JudgeRefused(f"judge {paths.judge} has no readable manifest")
    return Models(encoder, judge, load_policy(paths.policy).id)


def check_policy(judge: Judge, policy: Policy) -> None:
    """Raises ReleaseRefused (`policy_of_another_judge`) where the thresholds are of another judge's probabilities."""
    if policy.judge != judge.id:
        raise ReleaseRefused(
            "The thresholds of the policy were fitted to another judge.", code="policy_of_another_judge", status=422
        )


def _embedded() -> list[Path]:
    return [path.parent for path in EMBEDDED_BUNDLES.glob("*/manifest.json")]


def _given(path: str) -> list[Path]:
    return [Path(path)] if path else []


def _named(folder: Path) -> str | None:
    """The id in a manifest, None where there is none that can be read."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_bytes())
        return str(manifest["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _policy_id(path: Path) -> str | None:
    try:
        return load_policy(path).id
    except PolicyRefused:
        return None
