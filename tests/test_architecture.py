"""The arrows between the packages, serving without torch, and a distribution with every file in it."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("brands", "index", "screener", "training")
TRAINING_ONLY = ("torch", "torchvision", "open_clip", "timm", "transformers", "onnx", "onnxscript", "training")


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=200)


def test_import_contracts() -> None:
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_serve_imports_no_training() -> None:
    tree = ast.parse((ROOT / "serve.py").read_text(encoding="utf-8"))
    roots = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert roots & set(PACKAGES) == {"brands", "index", "screener"}
    assert not roots & set(TRAINING_ONLY)


@pytest.mark.parametrize("module", ["serve", "screener.cli", "screener.client", "screener.service"])
def test_serving_needs_no_torch(module: str) -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({TRAINING_ONLY!r})); import {module}"
    done = run("-W", "error", "-c", blocked)
    assert done.returncode == 0, done.stderr


def test_help_does_not_wait_for_the_service() -> None:
    listed = "import sys, screener.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = run("-c", listed).stdout.split()
    assert not {"faiss", "onnxruntime", "fastapi", "sqlalchemy", "numpy"} & set(loaded)


def test_wheel_has_every_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in ("pyproject.toml", "serve.py", project["readme"], *project["license-files"]):
        shutil.copy(ROOT / name, source)
    build = "import setuptools.build_meta as backend; print(backend.build_wheel('..'))"
    done = run("-c", build, cwd=source)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        (scripts,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt")]
    files = [path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    assert inside == {path.as_posix() for path in files if "__pycache__" not in path.parts} | {"serve.py"}
    assert "listing-screener = screener.cli:main" in scripts
