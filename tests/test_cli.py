"""Every command of the console, on a real little service: output, JSON, exit codes 0, 1 and 2, and no tracebacks."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fixed_judge import make_fixed_judge
from service_kit import encoded, picture
from tiny_bundle import make_tiny_bundle
from typer.testing import CliRunner, Result

from screener import cli, settings
from screener.cli import app

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fixed_judge(tmp_path_factory.mktemp("fixed"))


@pytest.fixture
def run(bundle: Path, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command over a fresh data folder and expects an exit code, with one-line errors only."""
    monkeypatch.setenv("SCREENER_BUNDLE", str(bundle))
    monkeypatch.setenv("SCREENER_JUDGE", str(fixed / "judge"))
    monkeypatch.setenv("SCREENER_POLICY", str(fixed / "policy.toml"))
    monkeypatch.setenv("SCREENER_READING_MS", "0")  # the drawn shapes have no words
    monkeypatch.setenv("SCREENER_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("SCREENER_DATABASE_URL", "")

    def run(*arguments: object, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert code or "error:" not in done.stderr
        return done

    yield run


def data(done: Result) -> Any:
    return json.loads(done.stdout)


def write_picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(seed)))
    return path


def brand_folder(root: Path, name: str, *seeds: int) -> Path:
    for seed in seeds:
        write_picture(root / name / "authentic" / f"{seed}.png", seed)
    (root / name / "brand.json").write_text(json.dumps({"name": name}), encoding="utf-8")
    return root / name


def test_root(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Commands:" in run(code=2).output
    assert "Commands:" in run("--help").stdout
    assert "No such command" in run("frobnicate", code=2).stderr
    monkeypatch.setattr(cli, "version", lambda name: f"{name} 1.2.3")
    assert run("--version").stdout == "listing-screener 1.2.3\n"


def test_brands(run: Run) -> None:
    added = data(
        run(
            *("brands", "add", "Norvell", "--alias", "Норвелл", "--wordmark", "NORVELL", "--category", "shoes"),
            *(
                "--price",
                "129.90",
                "--currency",
                "EUR",
                "--seller",
                "shop-1",
                "--seller",
                "shop-2::2027-01-31",
                "--json",
            ),
        )
    )
    assert added["reference_price"] == {"amount": "129.90", "currency": "EUR"}
    assert added["authorised_sellers"] == [
        {"seller_id": "shop-1", "valid_from": None, "valid_until": None},
        {"seller_id": "shop-2", "valid_from": None, "valid_until": "2027-01-31"},
    ]
    assert re.fullmatch(r"brd_[0-9a-f]{32}\n", run("brands", "add", "Other").stdout)
    assert [brand["name"] for brand in data(run("brands", "list", "--json"))] == ["Norvell", "Other"]
    table = run("brands", "list").stdout
    assert added["id"] in table
    assert "Норвелл, NORVELL" in table
    assert "129.90 EUR" in table


@pytest.mark.parametrize(
    "options",
    [
        ("--price", "12"),
        ("--currency", "EUR"),
        ("--price", "cheap", "--currency", "EUR"),
        ("--seller", "shop:2027-13-01"),
        ("--seller", "shop:2027-01-01:2027-01-02:x"),
    ],
)
def test_brands_add_wrong_usage(run: Run, options: tuple[str, ...]) -> None:
    run("brands", "add", "Norvell", *options, code=2)


def test_refused_by_the_registry(run: Run) -> None:
    run("brands", "add", "Norvell")
    assert run("brands", "add", "NORVELL", code=1).stderr.startswith("error: name:")
    wrong = run("brands", "add", "Dear", "--price", "-1", "--currency", "EUR", code=1)
    assert wrong.stderr == "error: reference_price.amount: The amount must be a number above zero.\n"


@pytest.mark.parametrize(
    "command",
    [("brands", "list"), ("references", "list"), ("keys", "list"), ("keys", "revoke", "key_1"), ("audit", "verify")],
)
def test_a_folder_without_a_registry_stays_as_it_is(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "There is no registry in" in run(*command, "--data-dir", tmp_path / "elsewhere", code=1).stderr
    assert not (tmp_path / "elsewhere").exists()


def test_brands_import(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "brands"
    brand_folder(root, "Good", 1, 2)
    (brand_folder(root, "Bad", 3) / "authentic" / "4.png").write_bytes(b"<html>")
    records = data_of_failure(run("brands", "import", root, "--json", code=1))
    assert [(record["outcome"], record["added"]) for record in records] == [("refused", 0), ("created", 2)]
    assert records[0]["error"]["code"] == "image_format_unsupported"
    again = run("brands", "import", root / "Good")
    assert re.search(r"Good +brd_\w+ +unchanged +0 +2", again.stdout)
    assert "no brand folder" in run("brands", "import", root / "Good" / "authentic", code=1).stderr
    run("brands", "import", root / "none", code=2)


def data_of_failure(done: Result) -> Any:
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return data(done)


def test_references(run: Run, tmp_path: Path) -> None:
    brand = run("brands", "add", "Norvell").stdout.strip()
    good = write_picture(tmp_path / "good.png", 1)
    bad = tmp_path / "bad\x1b[31m.png"
    bad.write_bytes(b"")
    outcomes = data_of_failure(run("references", "add", brand, good, bad, "--kind", "known_fake", "--json", code=1))
    assert outcomes[0]["reference"]["kind"] == "known_fake"
    assert outcomes[1]["error"]["code"] == "image_empty"
    assert "\x1b" not in outcomes[1]["file"]
    again = run("references", "add", brand, good, "--kind", "known_fake", code=1)
    assert "already" in again.stdout
    boxed = run("references", "add", brand, good, "--kind", "logo", "--box", 0, 0, 0.5, 0.5, "--source", "press kit")
    assert re.search(r"good\.png +ref_[0-9a-f]{32}", boxed.stdout)
    run("references", "add", brand, good, "--kind", "logo", "--box", 0, 0, "half", 1, code=2)
    run("references", "add", brand, good, "--kind", "fake", code=2)
    assert "A box is" in run("references", "add", brand, good, "--kind", "logo", "--box", 1, 0, 0, 1, code=1).stderr
    run("references", "add", "brd_0", good, "--kind", "logo", code=1)
    identifier = outcomes[0]["reference"]["id"]
    gone = run("references", "withdraw", identifier, "--reason", "a mistake")
    assert gone.stdout == f"{identifier} is withdrawn.\n"
    assert "cannot become" in run("references", "withdraw", identifier, "--reason", "again", code=1).stderr
    assert "No such object" in run("references", "withdraw", "ref_0", "--reason", "x", code=1).stderr
    listed = data(run("references", "list", "--brand", brand, "--kind", "known_fake", "--state", "withdrawn", "--json"))
    assert [(row["id"], row["state_reason"]) for row in listed] == [(identifier, "a mistake")]
    assert "press kit" in run("references", "list").stdout
    run("references", "list", "--brand", "brd_0", code=1)


def test_index(run: Run, tmp_path: Path) -> None:
    assert data(run("index", "list", "--json")) == []
    assert "index build" in run("index", "verify", code=1).stderr
    brand_folder(tmp_path / "brands", "Good", 1, 2)
    run("brands", "import", tmp_path / "brands")
    built = data(run("index", "build", "--json"))
    assert (built["vectors"], built["built"], built["left_out"], built["served"]) == (2, True, 0, True)
    assert "up to date already" in run("index", "build").stdout
    # The import looked at what was served before it, which was nothing.
    first = data(run("index", "list", "--json"))[0]
    assert first == {key: built[key] for key in built if key not in ("release", "built", "left_out")}
    assert re.search(rf"\* +{built['id']} +2 +flat", run("index", "list").stdout)
    assert {"id": built["id"], "ok": True, "fault": None} in data(run("index", "verify", "--json"))
    run("index", "verify", "snp_0", code=1)
    damaged = tmp_path / "var" / "index" / built["id"] / "vectors.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    assert "vectors.npy does not have the hash" in run("index", "verify", built["id"], code=1).stdout
    # The truth is at hand: building repairs what is derived from it.
    (tmp_path / "var" / "CURRENT").write_text("?")
    assert "does not name a release" in run("index", "list", code=1).stderr
    run("index", "build")
    run("index", "verify")


def test_models(run: Run, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (record,) = [row for row in data(run("models", "bundles", "--json")) if row["served"]]
    assert (record["name"], record["dim"], record["fault"]) == ("tiny", 64, None)
    assert [part["name"] for part in record["parts"]] == ["semantic", "copy"]
    assert "fp32/fp32" in run("models", "bundles").stdout
    assert "is whole" in run("models", "verify").stdout
    assert data(run("models", "verify", bundle, "--json"))["id"] == record["id"]
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "image.onnx").write_bytes(b"")
    assert "does not have the hash" in run("models", "verify", broken, code=1).stderr
    run("models", "verify", tmp_path / "none", code=1)
    monkeypatch.setenv("SCREENER_BUNDLE", str(broken))
    assert "does not have the hash" in run("models", "bundles").stdout
    assert "SCREENER_BUNDLE names another" in run("index", "build", code=1).stderr
    monkeypatch.setenv("SCREENER_BUNDLE", "")
    monkeypatch.setattr(settings, "EMBEDDED_BUNDLES", tmp_path / "none")
    assert "holds 0 bundles" in run("models", "verify", code=1).stderr


def test_keys(run: Run) -> None:
    made = run("keys", "create", "--scope", "hook", "--label", "publish hook")
    assert re.fullmatch(r"lsk_[\w-]{43}\n", made.stdout)
    brand = run("brands", "add", "Norvell").stdout.strip()
    options = ("--scope", "brand", "--brand", brand, "--expires", "2999-01-31", "--json")
    key = data(run("keys", "create", *options))["key"]
    assert (key["brand_id"], key["expires_at"]) == (brand, "2999-01-31T00:00:00Z")
    assert "scope brand" in run("keys", "create", "--scope", "brand", code=1).stderr
    assert "brands list" in run("keys", "create", "--scope", "brand", "--brand", "brd_0", code=1).stderr
    run("keys", "create", "--scope", "admin", "--expires", "2001-01-01", code=1)
    run("keys", "create", "--scope", "admin", "--expires", "soon", code=2)
    run("keys", "create", "--scope", "root", code=2)
    successor = data(run("keys", "rotate", key["id"], "--keep-hours", 2, "--json"))["key"]
    assert (successor["rotated_from"], successor["brand_id"]) == (key["id"], brand)
    assert "successor" in run("keys", "rotate", key["id"], code=1).stderr
    run("keys", "revoke", successor["id"])
    assert run("keys", "revoke", key["id"]).stdout == f"{key['id']} is revoked.\n"
    run("keys", "revoke", key["id"], code=1)
    run("keys", "revoke", "key_0", code=1)
    listed = data(run("keys", "list", "--json"))
    assert [(row["scope"], row["revoked_at"] is None) for row in listed] == [
        ("hook", True),
        ("brand", False),
        ("brand", False),
    ]
    assert "plaintext" not in str(listed)
    table = run("keys", "list").stdout
    assert "revoked" in table
    assert made.stdout.strip() not in table


def test_audit(run: Run, tmp_path: Path) -> None:
    run("brands", "add", "Norvell")
    run("keys", "create", "--scope", "admin")
    assert run("audit", "verify").stdout.startswith("2 rows fit; head ")
    assert data(run("audit", "verify", "--json"))["ok"] is True
    with closing(sqlite3.connect(tmp_path / "var" / "registry.sqlite3")) as connection, connection:
        connection.execute("UPDATE audit SET actor = 'cli:nobody' WHERE sequence = 2")
    assert "from row 2 on; 1 rows fit" in run("audit", "verify", code=1).stderr
    assert data_of_failure(run("audit", "verify", "--json", code=1))["first_bad"] == 2


def test_check_files(run: Run, tmp_path: Path) -> None:
    brand_folder(tmp_path / "brands", "Norvell", 1, 2)
    run("brands", "import", tmp_path / "brands")
    first, second = write_picture(tmp_path / "1.png", 1), write_picture(tmp_path / "9.png", 9)
    words = ("--title", "Norvell shoe, 1:1 replica", "--seller", "shop-9", "--price", "9.90", "--currency", "EUR")
    (answer,) = data(run("check", first, second, *words, "--json"))
    assert answer["listing_id"] == "1.png"
    assert [image["status"] for image in answer["images"]] == ["screened", "screened"]
    assert answer["brand"]["name"] == "Norvell"
    assert answer["verdict"] in ("prompt", "review")
    shown = run("check", first, *words).stdout.splitlines()
    assert shown[0].split() == ["listing", "verdict", "brand", "probability", "reasons", "ms"]
    assert "replica_words" in shown[1]
    # Two screenings are two rows of the log, beside the brand, its two references and their activation.
    assert run("audit", "verify").stdout.startswith("7 rows")


def test_check_folders(run: Run, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    write_picture(pictures / "a.png", 1)
    (pictures / "b.png").write_bytes(b"not a picture")
    (pictures / ".hidden").write_bytes(b"")
    answers = data(run("check", pictures, "--json"))
    assert [(answer["listing_id"], answer["images"][0]["code"]) for answer in answers] == [
        ("a.png", None),
        ("b.png", "image_format_unsupported"),
    ]
    assert answers[1]["verdict"] == "unscreenable"
    listings = tmp_path / "listings"
    for name in ("one", "two"):
        write_picture(listings / name / "1.png", 1)
        listing = {"listing_id": name, "title": "A thing", "seller": {"id": "shop-1"}}
        (listings / name / "listing.json").write_text(json.dumps(listing), encoding="utf-8")
        (listings / name / "expected.json").write_text("{}", encoding="utf-8")
    assert [answer["listing_id"] for answer in data(run("check", listings, "--json"))] == ["one", "two"]
    assert [answer["listing_id"] for answer in data(run("check", listings / "two", "--json"))] == ["two"]
    run("check", listings, "--title", "Another", code=2)
    run("check", listings / "one", listings / "two", code=2)
    (listings / "two" / "listing.json").write_text('{"listing_id": "two", "title": NaN}', encoding="utf-8")
    assert "two/listing.json: The JSON contains NaN" in run("check", listings, code=1).stderr
    (listings / "two" / "listing.json").write_text('{"listing_id": "two"}', encoding="utf-8")
    assert "two/listing.json: title: Field required" in run("check", listings, code=1).stderr
    (tmp_path / "empty").mkdir()
    assert "neither a listing nor a picture" in run("check", tmp_path / "empty", code=1).stderr
    for number in range(13):
        write_picture(listings / "one" / f"{number}.png", 1)
    assert "more than 12 pictures" in run("check", listings / "one", code=1).stderr


def test_check_refuses_what_no_listing_has(run: Run, tmp_path: Path) -> None:
    image = write_picture(tmp_path / "1.png", 1)
    assert "title" in run("check", image, "--title", "x" * 301, code=1).stderr
    run("check", image, "--price", "1", code=2)
    run("check", tmp_path / "none.png", code=2)
    run("check", code=2)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SCREENER_PORT", "99999", "SCREENER_PORT: "),
        ("SCREENER_DATABASE_URL", "nonsense", "not a URL"),
        ("SCREENER_DATABASE_URL", "mysql://x/y", "must start with"),
    ],
)
def test_settings_that_make_no_sense(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    stderr = run("keys", "list", code=2).stderr
    assert said in stderr
    assert value not in stderr


def test_a_damaged_registry_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "registry.sqlite3").write_bytes(b"this is not a database" * 100)
    assert "backup" in data_less(run("brands", "list", code=1))


def test_a_registry_of_a_newer_program_is_left_alone(run: Run, tmp_path: Path) -> None:
    run("brands", "add", "Norvell")
    with closing(sqlite3.connect(tmp_path / "var" / "registry.sqlite3")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r9999'")
    assert "newer version" in data_less(run("brands", "list", code=2))


def data_less(done: Result) -> str:
    """The one line of a command that failed before it had anything to print."""
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr
