"""Opens what commands work on: settings, the registry, the whole service, picture files.

The service's modules are imported inside the functions, here and in the commands: `--help` must not wait for them.
"""

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from screener.cli_output import Failure

if TYPE_CHECKING:
    from screener.service import Service
    from screener.settings import Settings
    from screener.truth import Truth

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", file_okay=False, help="Folder of what is stored; default: SCREENER_DATA_DIR, or var."),
]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_HasId)


def settings_of(data_dir: Path | None) -> "Settings":
    """The settings of the environment, with the folder of the command line. Raises Failure."""
    from pydantic import ValidationError

    from screener.settings import Settings, problems

    try:
        return Settings(data_dir=data_dir) if data_dir else Settings()
    except ValidationError as error:
        raise Failure("; ".join(problems(error)), exit_code=2) from None


@contextmanager
def open_truth(data_dir: Path | None, *, existing: bool = True) -> Iterator["Truth"]:
    """The registry and the keys; with `existing`, a folder without a registry is a failure and stays as it is."""
    settings = settings_of(data_dir)
    if existing and not settings.database_url and not settings.database_path.exists():
        raise Failure(
            f"There is no registry in {settings.data_dir}.",
            "`listing-screener brands add` or `brands import` makes one; --data-dir names another folder.",
        )
    from screener.truth import Truth

    _quiet()
    with _sound_store():
        truth = Truth(settings)
    with truth:
        yield truth


@contextmanager
def open_screener(data_dir: Path | None) -> Iterator["Service"]:
    """The whole service, for commands that look at pictures; what it serves is not loaded yet."""
    settings = settings_of(data_dir)
    from screener.service import open_service

    _quiet()
    with _sound_store():
        service = open_service(settings)
    with service:
        yield service


def actor() -> str:
    """Who works at the shell, as the audit log names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have a number only
        return f"cli:uid-{os.getuid()}"


def read_picture(path: Path, limit: int) -> bytes:
    """The bytes of a picture; of one over `limit` bytes only so many that the image gate sees it is too large."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def every(page: Callable[[str | None], Sequence[Item]]) -> Iterator[Item]:
    """All items of a list that is read in pages; `page` gives those behind an id."""
    after: str | None = None
    while items := page(after):
        yield from items
        after = items[-1].id


@contextmanager
def _sound_store() -> Iterator[None]:
    """Turns what a wrong address or a damaged file makes the store raise into a failure in words."""
    from sqlalchemy.exc import DatabaseError

    try:
        yield
    except DatabaseError as error:
        raise Failure(f"The registry cannot be read: {error.orig}.", "Restore it from a backup.") from None
    except ValueError as error:
        raise Failure(f"{error}.", exit_code=2) from None


def _quiet() -> None:
    """Warnings and errors only: a command's output is not a log."""
    from screener import logs

    logs.configure("warning", "text")
