"""A calendar month in UTC, by its name such as 2026-11."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from brands.errors import Invalid

_NAME: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month; months compare by time."""

    year: int
    number: int

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.next.begin

    @property
    def next(self) -> Month:
        """The one after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> Month:
        """The one before it."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    @classmethod
    def of(cls, day: date) -> Month:
        """The month that a day (UTC) is in."""
        return cls(day.year, day.month)

    @classmethod
    def named(cls, text: str) -> Month:
        """The month of a name, YYYY-MM. Raises Invalid."""
        found = _NAME.fullmatch(text)
        if found is None:
            raise Invalid("A month is YYYY-MM.", code="invalid_day", field="month")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
