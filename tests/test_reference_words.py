"""The words on references: read once, counted from then on, and lent to a likeness that is not quite enough."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from service_kit import Kit, picture, running

from brands.ids import utc_now
from screener.directory import read_directory
from screener.preprocess import WHOLE
from screener.reading import Line
from screener.reference_words import ReferenceWords


class FixedReader:
    """Reads the same on every picture, and counts."""

    id = "fixed-1"

    def __init__(self) -> None:
        self.pictures = 0

    def read(self, pixels: NDArray[np.uint8]) -> tuple[Line, ...]:
        self.pictures += 1
        assert pixels.ndim == 3
        return (Line("barista oat drink", 0.9, WHOLE),)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("service")) as kit:
        brand = kit.add_brand("Norvell")
        for number in (1, 2, 3):
            kit.add_reference(brand, "authentic", picture(number))
        kit.add_reference(brand, "negative", picture(4))
        kit.refresh()
        yield kit


def words(kit: Kit, reader: FixedReader | None) -> ReferenceWords:
    truth = kit.service.truth
    return ReferenceWords(reader=reader, database=truth.database, blobs=truth.blobs, pool=kit.service.pool, now=utc_now)


def test_references_are_read_once_a_few_at_a_time_and_negatives_never(kit: Kit) -> None:
    with kit.service.truth.database.read() as connection:
        directory = read_directory(connection)
    reader = FixedReader()
    reading = words(kit, reader)
    assert len(reading.known(directory)) == 0
    seen: list[tuple[int, int]] = []
    assert [reading.read(directory, lambda *step: seen.append(step), most=2) for _ in range(3)] == [2, 1, 0]
    assert (reader.pictures, seen) == (3, [(1, 2), (2, 2), (1, 1)])
    (brand_id,) = directory.brands
    assert reading.known(directory).support(["barista"]) == {brand_id: 1.0}
    again = words(kit, reader)  # as after a restart
    assert (again.read(directory), reader.pictures) == (0, 3)
    assert again.known(directory).brands == {brand_id}


def test_a_reference_that_is_gone_is_tried_once(tmp_path: Path) -> None:
    with running(tmp_path) as kit:
        reference = kit.add_reference(kit.add_brand("Norvell"), "authentic", picture(1))
        kit.refresh()
        with kit.service.truth.database.read() as connection:
            directory = read_directory(connection)
        digest = reference.image_sha256
        (tmp_path / "var" / "blobs" / digest[:2] / digest[2:4] / digest).unlink()
        reading = words(kit, FixedReader())
        assert [reading.read(directory, most=1) for _ in range(2)] == [1, 0]


def test_without_a_reader_nothing_is_read(kit: Kit) -> None:
    with kit.service.truth.database.read() as connection:
        directory = read_directory(connection)
    assert words(kit, None).read(directory) == 0
    assert len(words(kit, None).known(directory)) == 0
    assert kit.service.refresher.read_references() == 0
