"""Words in pictures: the reader, its budget, what it remembers, and life without it."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from service_kit import encoded, picture
from structlog.testing import capture_logs

from brands.database import Database
from screener import texts_store
from screener.gate import Limits
from screener.preprocess import ImagePreprocess
from screener.reading import (
    MAX_LETTERS,
    MAX_LINES,
    Line,
    PictureTexts,
    Reader,
    lines_of,
    open_reader,
    printable,
    rows_of,
)
from screener.workers import DecodePool
from training.errors import TrainingError
from training.reading_measure import measure_reading

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def reader() -> Reader:
    found = open_reader()
    if found is None:
        pytest.skip("the extra `ocr` is not installed")
    return found


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    started = DecodePool(ImagePreprocess(64, (0.5,) * 3, (0.25,) * 3, "squash"), Limits(), size=1)
    yield started
    started.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    opened.migrate()
    yield opened
    opened.close()


@dataclass
class Sleeper:
    """A reader that reads when it is told to, and counts."""

    gate: threading.Event = field(default_factory=threading.Event)
    begun: list[tuple[int, ...]] = field(default_factory=list)
    id: str = "sleeper-1"

    def read(self, pixels: NDArray[np.uint8]) -> tuple[Line, ...]:
        self.begun.append(pixels.shape)
        self.gate.wait(30)
        return (Line("ACME", 0.987654321, (0.1, 0.2, 0.30000004, 0.4)),)


def written(*lines: str, size: tuple[int, int] = (400, 300), letters: int = 40) -> Image.Image:
    image = Image.new("RGB", size, (250, 250, 245))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((20, 20 + number * letters * 1.6), line, fill=(20, 20, 30), font=ImageFont.load_default(letters))
    return image


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image, dtype=np.uint8)


def listed(*images: bytes) -> dict[int, tuple[str, bytes]]:
    return {n: (hashlib.sha256(data).hexdigest(), data) for n, data in enumerate(images)}


def soon(seconds: float) -> float:
    return time.monotonic() + seconds


class TestReader:
    def test_reads_lines_from_top_to_bottom(self, reader: Reader) -> None:
        lines = reader.read(pixels(written("ZORVAN", "Runner 42")))
        assert [line.text for line in lines] == ["ZORVAN", "Runner 42"]
        first, second = (line.box for line in lines)
        assert 0 <= first[0] < first[2] <= 1 and 0 <= first[1] < first[3] < second[1] < second[3] <= 1
        assert all(0.6 <= line.confidence <= 1 for line in lines)

    def test_reads_small_pictures_enlarged(self, reader: Reader) -> None:
        assert [line.text for line in reader.read(pixels(written("ZORVAN", size=(170, 80), letters=22)))] == ["ZORVAN"]

    def test_is_named_by_what_changes_its_lines(self, reader: Reader) -> None:
        assert reader.id.startswith("rapidocr-3.") and reader.id.endswith("-small-480-0.6")

    @pytest.mark.parametrize(
        "image",
        [
            Image.new("RGB", (32, 32)),
            Image.new("RGB", (480, 24), (255, 255, 255)),
            Image.new("RGB", (24, 480), (9, 9, 9)),
            picture(1),
        ],
        ids=["dot", "wide", "tall", "shapes"],
    )
    def test_reads_nothing_where_nothing_is_written(self, reader: Reader, image: Image.Image) -> None:
        assert reader.read(pixels(image)) == ()

    def test_a_wide_picture_keeps_its_boxes_inside(self, reader: Reader) -> None:
        for line in reader.read(pixels(written("ZORVAN RUNNER", size=(480, 40), letters=26).crop((0, 10, 480, 50)))):
            assert 0 <= line.box[0] <= line.box[2] <= 1 and 0 <= line.box[1] <= line.box[3] <= 1

    def test_bounds_what_a_picture_can_cost(self, reader: Reader) -> None:
        crowded = Image.new("RGB", (480, 480), (255, 255, 255))
        draw = ImageDraw.Draw(crowded)
        for x in range(0, 480, 40):
            for y in range(0, 480, 16):
                draw.text((x, y), "Ab12", fill=(0, 0, 0), font=ImageFont.load_default(10))
        assert len(reader.read(pixels(crowded))) <= MAX_LINES

    def test_noise_gives_no_words(self, reader: Reader) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
        assert reader.read(noise) == ()

    def test_threads_read_what_one_reads(self, reader: Reader) -> None:
        images = [pixels(written(name)) for name in ("ZORVAN", "MIRELLE", "TAKUMI", "OSTRA")]
        alone = [reader.read(image) for image in images]
        together: dict[int, tuple[Line, ...]] = {}
        threads = [
            threading.Thread(target=lambda n=n, image=image: together.update({n: reader.read(image)}))
            for n, image in enumerate(images)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [together[n] for n in range(len(images))] == alone

    def test_opens_and_reads_without_a_network(self, reader: Reader) -> None:
        script = (
            "import socket, asyncio, structlog\n"
            "def refuse(*a, **k): raise AssertionError('network')\n"
            "socket.socket.connect = socket.socket.bind = refuse\n"
            "socket.getaddrinfo = socket.create_connection = refuse\n"
            "import numpy as np\n"
            "from screener.reading import open_reader\n"
            "print(len(open_reader().read(np.full((64, 64, 3), 255, np.uint8))))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr

    def test_keeps_its_lines_to_itself(self, reader: Reader, capfd: pytest.CaptureFixture[str]) -> None:
        reader.read(pixels(picture(2)))
        assert capfd.readouterr() == ("", "")


def test_without_the_extra_there_is_no_reader() -> None:
    script = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'rapidocr' else real(name, *a)\n"
        "from screener.reading import open_reader; print(open_reader())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "None", done.stderr


def test_with_other_models_there_is_no_reader(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screener.reader_rapidocr._MODELS", {"Det": "gone.onnx", "Rec": "gone.onnx"})
    with capture_logs() as logs:
        assert open_reader() is None
    assert [entry["event"] for entry in logs] == ["reader_incomplete"]


class TestPrintable:
    @given(st.text())
    def test_has_nothing_to_control_a_terminal_with(self, text: str) -> None:
        kept = printable(text)
        assert kept.isprintable() and len(kept) <= MAX_LETTERS and kept == kept.strip()
        assert printable(kept) == kept

    def test_keeps_letters_of_all_scripts(self) -> None:
        assert printable("高仿\t1:1\u202e Zürich\x1b[31m") == "高仿 1:1 Zürich [31m"


@given(
    st.lists(
        st.builds(
            Line,
            st.text(max_size=5),
            st.floats(0, 1),
            st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
        ),
        max_size=3,
    )
)
def test_kept_lines_come_back(lines: list[Line]) -> None:
    once = lines_of(rows_of(lines))
    assert lines_of(rows_of(once)) == once
    assert [line.text for line in once] == [line.text for line in lines]


class TestPictureTexts:
    def test_reads_and_remembers(self, database: Database, pool: DecodePool) -> None:
        sleeper = Sleeper()
        sleeper.gate.set()
        images = listed(encoded(picture(1)), encoded(picture(2)), encoded(picture(1)))
        texts = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW)
        first = texts.read(images, deadline=soon(30))
        texts.close()
        assert len(sleeper.begun) == 2  # the same picture twice is read once
        assert all(lines and lines[0].text == "ACME" for lines in first.values())
        again = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW)
        kept = again.read(images, deadline=soon(0))
        again.close()
        assert len(sleeper.begun) == 2
        assert {n: [line.text for line in lines or ()] for n, lines in kept.items()} == {n: ["ACME"] for n in images}

    def test_another_reader_reads_anew(self, database: Database, pool: DecodePool) -> None:
        images = listed(encoded(picture(1)))
        for sleeper in (Sleeper(), Sleeper(id="sleeper-2")):
            sleeper.gate.set()
            texts = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW)
            texts.read(images, deadline=soon(30))
            texts.close()
            assert len(sleeper.begun) == 1

    def test_returns_at_the_deadline_and_keeps_what_comes_late(self, database: Database, pool: DecodePool) -> None:
        sleeper = Sleeper()
        texts = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW, threads=1)
        images = listed(encoded(picture(1)), encoded(picture(2)), encoded(picture(3)))
        assert texts.read(images, deadline=soon(0.3)) == {0: None, 1: None, 2: None}
        sleeper.gate.set()
        texts.close()  # waits for what is being read
        assert len(sleeper.begun) == 1
        with database.read() as connection:
            kept = texts_store.load(connection, "sleeper-1", [sha256 for sha256, _ in images.values()])
        assert list(kept) == [images[0][0]]

    def test_begins_with_the_first_picture_and_then_the_largest(self, database: Database, pool: DecodePool) -> None:
        sleeper = Sleeper()
        sleeper.gate.set()
        sizes = [(60, 40), (100, 50), (300, 200), (200, 90)]
        images = listed(*(encoded(picture(n, size)) for n, size in enumerate(sizes)))
        order = [0, *sorted((1, 2, 3), key=lambda n: -len(images[n][1]))]
        texts = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW, threads=1)
        texts.read(images, deadline=soon(30))
        texts.close()
        assert [shape[:2] for shape in sleeper.begun] == [sizes[n][::-1] for n in order]

    def test_begins_nothing_when_time_is_up(self, database: Database, pool: DecodePool) -> None:
        sleeper = Sleeper()
        texts = PictureTexts(reader=sleeper, database=database, pool=pool, now=lambda: NOW)
        assert texts.read(listed(encoded(picture(1))), deadline=soon(-1)) == {0: None}
        texts.close()
        assert sleeper.begun == []

    def test_a_picture_that_cannot_be_decoded_has_no_words(self, database: Database, pool: DecodePool) -> None:
        texts = PictureTexts(reader=Sleeper(), database=database, pool=pool, now=lambda: NOW)
        assert texts.read(listed(b"no picture"), deadline=soon(30)) == {0: ()}
        texts.close()

    def test_no_pictures_no_work(self, database: Database, pool: DecodePool) -> None:
        texts = PictureTexts(reader=Sleeper(), database=database, pool=pool, now=lambda: NOW)
        assert texts.read({}, deadline=soon(30)) == {}
        texts.close()

    def test_reads_a_real_photo_in_the_real_way(self, reader: Reader, database: Database, pool: DecodePool) -> None:
        texts = PictureTexts(reader=reader, database=database, pool=pool, now=lambda: NOW)
        found = texts.read(listed(encoded(written("ZORVAN", size=(900, 600), letters=90), "JPEG")), deadline=soon(60))
        texts.close()
        assert [line.text for line in found[0] or ()] == ["ZORVAN"]


def test_measures_names_read(reader: Reader, tmp_path: Path) -> None:
    folder = tmp_path / "logos"
    folder.mkdir()
    shown = {
        "a.jpg": ("query", "Zorvan", "ZORVAN"),
        "b.jpg": ("query", "Mirelle", "ZORVAN"),
        "c.jpg": ("none", None, ""),
    }
    for name, (_, _, words) in shown.items():
        (folder / name).write_bytes(encoded(written(words), "JPEG"))
    rows = [{"kind": kind, "image": name, "brand": brand} for name, (kind, brand, _) in shown.items()]
    (folder / "manifest.json").write_text(json.dumps(rows), "utf-8")
    figures = measure_reading(tmp_path)
    query, none = figures["logos/query"], figures["logos/none"]
    assert (query.photos, query.right, query.only_wrong, query.lines) == (2, 0.5, 0.5, 1.0)
    assert (none.photos, none.right, none.only_wrong, none.lines) == (1, 0.0, 0.0, 0.0)
    with pytest.raises(TrainingError):
        measure_reading(folder)
