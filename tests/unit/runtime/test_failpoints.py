import pytest

from runtime import failpoints
from schemas.errors import Broken


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_state", {})


@pytest.mark.usefixtures("armed")
class TestFailpoint:
    def test_nothing_happens_unless_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EWMS_FAILPOINT", raising=False)
        failpoints.failpoint("store.committed")

    def test_only_the_named_one_fails_and_only_at_its_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EWMS_FAILPOINT", "store.committed:raise:3")
        for _ in range(2):
            failpoints.failpoint("store.committed")
            failpoints.failpoint("relay.published")
        with pytest.raises(failpoints.FailpointReached):
            failpoints.failpoint("store.committed")
        failpoints.failpoint("store.committed")

    def test_a_misspelt_action_is_an_error_rather_than_a_test_that_tests_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EWMS_FAILPOINT", "store.committed:kil")
        with pytest.raises(Broken):
            failpoints.failpoint("store.committed")

    def test_one_case_of_a_place_fails_and_the_others_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EWMS_FAILPOINT", "engine.decided/NodeEnded:raise,relay.published:raise:2")
        failpoints.failpoint("engine.decided", "Begin")
        with pytest.raises(failpoints.FailpointReached, match="NodeEnded"):
            failpoints.failpoint("engine.decided", "NodeEnded")
        failpoints.failpoint("relay.published")
        with pytest.raises(failpoints.FailpointReached, match="relay"):
            failpoints.failpoint("relay.published")
