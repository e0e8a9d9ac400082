"""Opens the models of a release: checked, with one engine for one encoder, and at the start whatever may be served."""

from collections.abc import Callable

import structlog

from screener.bundle import Bundle, load_bundle
from screener.engine import Engine
from screener.errors import ReleaseRefused, ScreenerError
from screener.judging.model import load_judge
from screener.judging.policy import load_policy
from screener.release import Opened, read_pointer
from screener.releases.registry import ModelRegistry
from screener.releases.report import Models
from screener.releases.store import ModelStore, Paths, ids_of
from screener.settings import Settings

log = structlog.get_logger()

OpenEngine = Callable[[Bundle], Engine]


def open_models(store: ModelStore, models: Models, engine: OpenEngine) -> Opened:
    """Opens the models with these ids; `engine` opens a bundle, or gives the engine that runs it already.

    Raises
    ------
    ReleaseRefused
        this server does not have one of them, or has another in its place
    BundleRefused, JudgeRefused, PolicyRefused
        one of them is not whole
    """
    paths = store.find(models)
    judge, policy = load_judge(paths.judge), load_policy(paths.policy)
    opened = Opened(engine(load_bundle(paths.bundle)), judge, policy)
    if opened.ids != models:
        raise ReleaseRefused("The stored models are others than those of the release.")
    return opened


def first_models(registry: ModelRegistry, settings: Settings) -> Paths:
    """What a start serves: the promoted release, or what the settings name where there is none.

    Where the promoted release is refused (this server does not have it, or a file is damaged), what this server served
    last goes on, as `CURRENT` names it; the keeper tries the promoted one again.

    Raises
    ------
    BundleRefused, JudgeRefused, PolicyRefused, ReleaseRefused
        nothing can be served
    """
    found = registry.promoted()
    if found is None:
        return registry.store.configured
    _, models = found
    _warn(registry, settings, models)
    try:
        return _whole(registry.store, models)
    except ScreenerError as error:
        refused = error
    log.error("release_refused", models=models, error=type(refused).__name__, message=refused.message)
    release = read_pointer(settings.data_dir)
    if release is None or (last := Models(release.encoder, release.judge, release.policy)) == models:
        raise refused
    return _whole(registry.store, last)


def _whole(store: ModelStore, models: Models) -> Paths:
    paths = store.find(models)
    load_bundle(paths.bundle), load_judge(paths.judge), load_policy(paths.policy)
    return paths


def _warn(registry: ModelRegistry, settings: Settings, served: Models) -> None:
    """Says which settings have no effect, because another release was promoted."""
    if not (settings.bundle or settings.judge or settings.policy):
        return
    try:
        named = ids_of(registry.store.configured)
    except ScreenerError as error:
        log.warning("settings_not_served", message=error.message)
        return
    given = {
        "SCREENER_BUNDLE": (settings.bundle, named.encoder, served.encoder),
        "SCREENER_JUDGE": (settings.judge, named.judge, served.judge),
        "SCREENER_POLICY": (settings.policy, named.policy, served.policy),
    }
    other = [name for name, (path, ours, theirs) in given.items() if path and ours != theirs]
    if other:
        log.warning("settings_not_served", settings=other, message="Another release was promoted; it is served.")
