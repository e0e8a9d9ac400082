"""The pages made from code are those that the code makes now, and every setting and error code is described."""

import re
import runpy
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from screener.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"


@cache
def pages() -> Mapping[str, str]:
    made: Mapping[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    return made


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "errors.md", "features.md", "openapi.json"])
def test_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs` and look at the change"


def test_every_page_is_compared() -> None:
    assert set(pages()) == {"settings.md", "cli.md", "errors.md", "features.md", "openapi.json"}


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`SCREENER_{name.upper()}`" in pages()["settings.md"]


def test_settings_named_in_the_docs_exist() -> None:
    known = {f"SCREENER_{name.upper()}" for name in Settings.model_fields} | {"SCREENER_TEST_POSTGRES_URL"}
    for path in [*DOCS.glob("*.md"), *DOCS.glob("*.toml"), *DOCS.parent.glob("*.md")]:
        assert set(re.findall(r"SCREENER_[A-Z][A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))) <= known, path
