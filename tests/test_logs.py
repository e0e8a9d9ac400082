"""Where log lines go."""

import io
import sys

import pytest
import structlog

from screener import logs


def test_a_stream_that_was_closed_since_does_not_fail_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    closed, present = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    log = structlog.get_logger()
    logs.configure("info", "json")
    log.info("first")
    closed.close()
    monkeypatch.setattr(sys, "stderr", present)
    log.info("second")
    assert '"event": "second"' in present.getvalue()
