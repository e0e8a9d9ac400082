"""The commands of governance: folders of pictures, what waits, overrides, disputes, standings, shared known fakes."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image
from test_cli import Run, bundle, data, fixed, run, write_picture

__all__ = ["bundle", "fixed", "run"]  # fixtures


def test_a_folder_of_pictures_is_added_and_checked(run: Run, tmp_path: Path) -> None:
    brand = run("brands", "add", "Norvell").stdout.strip()
    folder = tmp_path / "pictures" / "deep"
    folder.mkdir(parents=True)
    for seed in range(3):
        write_picture(folder / f"{seed}.png", seed)
    Image.new("RGB", (200, 200), "white").save(folder / "white.png")
    (folder / ".hidden").write_bytes(b"x")
    added = data(run("references", "import", brand, tmp_path / "pictures", "--kind", "authentic", "--json"))
    states = {Path(row["file"]).name: row["reference"]["state"] for row in added}
    assert states == {"0.png": "active", "1.png": "active", "2.png": "active", "white.png": "pending"}
    again = run("references", "import", brand, tmp_path / "pictures", "--kind", "authentic", code=1)
    assert "4 of 4 pictures were refused" in again.stderr
    (white,) = data(run("references", "waiting", "--json"))
    assert (white["approval"], white["blocking"]) == ("admin", ["blank"])
    assert "blank" in run("references", "waiting", "--brand", brand).stdout
    assert data(run("references", "impact", white["id"]))["unusable"] == ["blank"]
    refused = run("references", "approve", white["id"], "--override", "--reason", "I insist", code=1)
    assert "never compared" in refused.stderr
    assert "rejected" in run("references", "reject", white["id"], "--reason", "nothing on it").stdout
    assert "0 references were checked" in run("references", "check").stdout


def test_disputes_standings_and_descriptions(run: Run, tmp_path: Path) -> None:
    brand = run("brands", "add", "Norvell").stdout.strip()
    picture = write_picture(tmp_path / "fake.png", 1)
    options = ("--kind", "known_fake", "--origin", "complaint", "--evidence", "C-17", "--days", 30, "--json")
    (added,) = data(run("references", "add", brand, picture, *options))
    fake = added["reference"]
    assert (fake["state"], fake["origin"], fake["evidence"]) == ("active", "complaint", "C-17")
    assert fake["expires_at"] is not None
    file = tmp_path / "fakes.json"
    run("index", "build")
    assert "1 known fakes" in run("references", "export-known-fakes", brand, file).stdout
    twin = run("brands", "add", "Norvell twin").stdout.strip()
    # The operator vouches for it; it is held, because it is another brand's picture.
    assert "1 of them wait" in run("references", "import-known-fakes", twin, file).stdout
    (held,) = data(run("references", "waiting", "--json"))
    assert held["blocking"] == ["other_brand"]
    assert "active" in run("references", "approve", held["id"], "--override", "--reason", "the same maker").stdout
    file.write_text(json.dumps(json.loads(file.read_text()) | {"encoder": "enc_x"}))
    assert "another encoder" in run("references", "import-known-fakes", brand, file, code=1).stderr
    assert "quarantined" in run("references", "dispute", fake["id"], "--reason", "it is genuine").stdout
    assert "active" in run("references", "approve", fake["id"], "--override", "--reason", "it is not").stdout
    assert run("brands", "standing", brand).stdout.startswith("new: 0 right, 0 wrong")
    run("brands", "standing", brand, "--set", "good", code=2)
    stopped = data(run("brands", "standing", brand, "--set", "stopped", "--reason", "complaints", "--json"))
    assert stopped["standing"] == "stopped"
    assert run("audit", "verify")
