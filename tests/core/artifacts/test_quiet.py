"""Suppressed log messages."""

import logging

import pytest

from core.artifacts.quiet import without_log


def test_warnings_are_suppressed_within_the_block_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("converter")
    with without_log():
        logger.warning("within")
        logger.error("an error")
    logger.warning("after")
    assert [record.getMessage() for record in caplog.records] == ["an error", "after"]
