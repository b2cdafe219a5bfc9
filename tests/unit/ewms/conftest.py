"""What each test of the command and the client gets."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def kept_log_lines() -> Iterator[None]:
    """The command silences the log lines of its libraries for its whole process, which here goes on."""
    yield
    logging.disable(logging.NOTSET)
