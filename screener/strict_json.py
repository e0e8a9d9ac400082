"""JSON as the standard means it: UTF-8, no duplicate keys, no NaN, no lone surrogates, not too deep."""

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from screener.errors import BodyRefused


def loads(data: bytes, *, max_depth: int) -> Any:
    """Parses one JSON text (RFC 8259, and I-JSON's rules on keys, numbers and code points, RFC 7493).

    Fractions come as `Decimal`, so prices keep their digits.

    Raises
    ------
    BodyRefused
        `invalid_encoding`, `invalid_json`, `duplicate_key` or `too_deep`; the message never repeats the input
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyRefused("The JSON is not UTF-8.", code="invalid_encoding") from error
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise _too_deep(max_depth) from error
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise BodyRefused("The body is not valid JSON.", code="invalid_json") from error
    _check(value, max_depth)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BodyRefused("The JSON repeats a key in one object.", code="duplicate_key")
    return result


def _no_constant(_: str) -> NoReturn:
    raise BodyRefused("The JSON contains NaN or Infinity.", code="invalid_json")


def _finite(digits: str) -> Decimal:
    try:
        number = Decimal(digits)
    except InvalidOperation as error:  # an exponent beyond what decimal holds
        raise ValueError("not a number") from error
    if not number.is_finite() or abs(number.adjusted()) > 400:  # beyond any float, and slow to print
        raise ValueError("not a number")
    return number


def _check(value: Any, max_depth: int) -> None:
    """Walks without recursion: depth, and code points that UTF-8 cannot carry."""
    level: list[Any] = [value]
    for _ in range(max_depth + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                _check_all(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise _too_deep(max_depth)


def _check_all(texts: Iterable[str]) -> None:
    for text in texts:
        _check_text(text)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BodyRefused("The JSON contains half of a surrogate pair.", code="invalid_encoding") from error


def _too_deep(max_depth: int) -> BodyRefused:
    return BodyRefused(f"The JSON is nested deeper than {max_depth}.", code="too_deep")
