"""Orders of builders, the keys of builds and webhooks, and the bound of a log."""

import hashlib
import hmac

import pytest

from schemas.automation.builds import BuildLimits
from tests.unit.wms.catalogue.making import COMMIT, approve, create, look
from wms.catalogue.builds.build_keys import TaskKeys, is_same
from wms.catalogue.builds.build_orders import make_build_order, make_look_order
from wms.catalogue.life.version_parts import get_latest
from wms.encryption import NoKey, SecretKeys, is_sealed, make_key
from wms.gateway.craton.task_webhooks import is_signed
from wms.kept_log import cut_log


def test_an_order_to_look_has_no_commit_and_takes_no_reports() -> None:
    order = make_look_order(create(), BuildLimits(fetch_s=5))
    assert (order.commit, order.report_path, order.locations, order.build) == ("", "", (), "7-look-1")
    assert order.limits.fetch_s == 5, "the operator's limits hold for looks too"


def test_an_order_to_build_pins_the_approved_commit() -> None:
    task = approve(look(create()))
    order = make_build_order(task, get_latest(task), BuildLimits(build_s=5))
    assert (order.commit, order.build, order.report_path) == (COMMIT, "7-1-1", "/v1/builds/7-1-1/reports")
    assert (order.locations, order.limits.build_s) == (("north", "south"), 5)


KEYS = TaskKeys(SecretKeys(()))


def test_each_build_and_each_task_has_a_token_of_its_own() -> None:
    task = create()
    token = KEYS.make_report_token(task, "7-1-1")
    assert KEYS.is_report_token(task, "7-1-1", token)
    others = [
        KEYS.make_report_token(task, "7-1-2"),
        KEYS.make_webhook_key(task),
        KEYS.make_report_token(create(secret="t"), "7-1-1"),
    ]
    assert len({token, *others}) == 4
    assert not any(KEYS.is_report_token(task, "7-1-1", each) for each in [*others, "", "s"])


def test_a_sealed_secret_makes_the_same_keys_and_is_not_stored_in_clear() -> None:
    sealing = SecretKeys((make_key(),))
    plain = create()
    sealed = create(secret=sealing.seal(plain.secret))
    assert TaskKeys(sealing).make_webhook_key(sealed) == KEYS.make_webhook_key(plain)
    assert TaskKeys(sealing).make_webhook_key(plain) == KEYS.make_webhook_key(plain), "from before there was a key"
    assert is_sealed(TaskKeys(sealing).make_secret())
    assert len(KEYS.make_secret()) == 64, "a server without a key keeps it as it is"
    with pytest.raises(NoKey):
        KEYS.make_webhook_key(sealed)


def test_a_renewed_webhook_has_another_key() -> None:
    task = create()
    assert KEYS.make_webhook_key(task) != KEYS.make_webhook_key(task.model_copy(update={"n_webhook_keys": 2}))


def sign(key: str, body: bytes) -> str:
    """Return the signature of a git server."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "is_true"),
    [
        ({"x-hub-signature-256": f"sha256={sign('k', b'{}')}"}, True),
        ({"x-gitea-signature": sign("k", b"{}")}, True),
        ({"x-gitlab-token": "k"}, True),
        ({"x-hub-signature-256": f"sha256={sign('k', b'{ }')}"}, False),
        ({"x-hub-signature-256": f"sha256={sign('other', b'{}')}"}, False),
        ({"x-hub-signature-256": ""}, False),
        ({"x-gitlab-token": "other"}, False),
        ({"x-gitlab-token": ""}, False),
        ({}, False),
    ],
)
def test_a_webhook_must_prove_that_its_sender_knows_the_key(headers: dict[str, str], is_true: bool) -> None:
    assert is_signed(headers, b"{}", "k") is is_true


def test_only_the_same_text_is_the_same() -> None:
    assert is_same("a", "a")
    assert not is_same("a", "b")


@pytest.mark.parametrize(
    ("place", "kept"),
    [(5, "abcde"), (10, "abcde"), (11, "abcd\n"), (14, "a\n"), (15, "\n"), (16, ""), (99, "")],
)
def test_a_log_is_cut_once_and_says_so(place: int, kept: str) -> None:
    text = cut_log("abcde", place=place, most=10)
    assert text.startswith(kept)
    assert ("the log is cut here" in text) == (10 < place <= 15)
    assert bool(text) == (place <= 15)
