"""Hypothesis reads the constants of our modules where a test draws examples, not in every worker that collects one."""

from typing import Any

import pytest
from hypothesis.internal.conjecture import providers

from tests.examples import constants_unread


def test_no_module_is_read_while_tests_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []

    def note(path: str) -> bool:
        read.append(path)
        return False

    monkeypatch.setattr(providers, "is_local_module_file", note)
    monkeypatch.setattr(providers, "_seen_modules", set())
    monkeypatch.setattr(providers, "_sys_modules_len", None)
    with constants_unread():
        providers._get_local_constants()
    assert read == []
    providers._get_local_constants()
    assert __file__ in read
