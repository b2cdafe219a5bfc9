"""How configurations are read, which parts of them are secret, and that a secret stays with its receiver."""

from typing import Any

import pytest

from schemas.automation.notifications import NotificationType
from schemas.rules.secret_names import MASK
from wms.notifications.templates.configurations import (
    describe_recipients,
    join_url,
    map_secrets,
    mask_configuration,
    read_configuration,
)
from wms.trees.template_errors import FieldsRefused

WEBHOOK, EMAIL, APPRISE = NotificationType.WEBHOOK, NotificationType.EMAIL, NotificationType.APPRISE
HOOK: dict[str, Any] = {
    "url": "https://example.org/hook",
    "password": "p4ss",
    "headers": {"X-Api-Key": "k3y", "A": "b"},
}
MAIL: dict[str, Any] = {"host": "mail.example.org", "port": 25, "sender": "a@b.org", "recipients": ["c@d.org"]}


@pytest.mark.parametrize(
    ("kind", "raw", "fault"),
    [
        (WEBHOOK, {}, "url: This field is required."),
        (WEBHOOK, {"url": "ftp://example.org"}, "url: must be an address such as"),
        (WEBHOOK, {"url": "https://[::1"}, "url: must be an address such as"),
        (WEBHOOK, {"url": "https://x.org/", "http_method": "GET"}, "http_method: must be POST or PUT"),
        (WEBHOOK, {"url": "https://x.org/", "headers": {"a b": "c"}}, "headers: 'a b' is no name of a header"),
        (WEBHOOK, {"url": "https://x.org/", "headers": {"a": "b\r\nEvil: 1"}}, "headers: must be one line of text"),
        (WEBHOOK, {"url": "https://x.org/", "headers": {"A": "é"}}, "headers: the value of A must have only ASCII"),
        (WEBHOOK, {"url": "https://x.org/", "headers": {"hOst": "a"}}, "headers: hOst is set by EWMS itself"),
        (WEBHOOK, {"url": "https://x.org/", "headers": {"content-type": "a"}}, "headers: content-type is set by"),
        (EMAIL, {**MAIL, "timeout": 31}, "timeout: must be a whole number of seconds from 1 to 30"),
        (WEBHOOK, {"url": "https://x.org/", "colour": 1}, "colour: there is no such field"),
        (EMAIL, {**MAIL, "port": 70_000}, "port: must be a whole number from 1 to 65535"),
        (EMAIL, {**MAIL, "recipients": []}, "recipients: must be a list of 1 to 100"),
        (EMAIL, {**MAIL, "recipients": ["a@b.org\nBcc: x@y.org"]}, "recipients: must be one line"),
        (EMAIL, {**MAIL, "sender": "nobody"}, "sender: 'nobody' is no mail address"),
        (EMAIL, {**MAIL, "use_tls": 1, "use_ssl": "true"}, "use_tls and use_ssl exclude each other"),
        (APPRISE, {"urls": ["s3cret"]}, "urls: number 1 is no address of apprise"),
        (APPRISE, {"urls": "slack://x"}, "urls: must be a list"),
    ],
)
def test_a_wrong_field_is_refused_by_name_without_its_secrets(kind: NotificationType, raw: Any, fault: str) -> None:
    with pytest.raises(FieldsRefused) as caught:
        read_configuration(kind, raw, None)
    texts = caught.value.fields["notification_configuration"]
    assert any(text.startswith(fault) for text in texts), texts
    assert "s3cret" not in str(texts)


def _empty_masks(value: Any) -> Any:
    """Return what `awx import` sends: an empty text in place of each text that is only a mask."""
    if isinstance(value, dict):
        return {name: _empty_masks(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_empty_masks(each) for each in value]
    return "" if value == MASK else value


def test_all_faults_are_told_together() -> None:
    with pytest.raises(FieldsRefused) as caught:
        read_configuration(EMAIL, {"port": "x"}, None)
    texts = caught.value.fields["notification_configuration"]
    assert [text.partition(":")[0] for text in texts] == ["host", "port", "sender", "recipients"]


def test_a_password_in_the_url_moves_out_of_it() -> None:
    found = read_configuration(WEBHOOK, {"url": "https://ada:p%40ss@example.org:8443/x?y=1"}, None)
    assert (found["url"], found["username"], found["password"]) == ("https://example.org:8443/", "ada", "p@ss")
    assert join_url(found) == "https://example.org:8443/x?y=1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/services/T0/s3cret", f"https://hooks.example.org/{MASK}"),
        ("https://hooks.example.org:8443/?token=s3cret", f"https://hooks.example.org:8443/{MASK}"),
        ("https://hooks.example.org?token=s3cret", f"https://hooks.example.org/{MASK}"),
        ("https://hooks.example.org//s3cret/", f"https://hooks.example.org/{MASK}"),
        ("https://hooks.example.org", "https://hooks.example.org/"),
    ],
)
def test_all_behind_the_host_of_a_webhook_is_secret_and_the_mask_means_it(url: str, shown: str) -> None:
    plain = read_configuration(WEBHOOK, {"url": url}, None)
    assert join_url(plain) == (url if url.count("/") > 2 else url.replace("example.org", "example.org/"))
    assert "s3cret" not in plain["url"]
    assert mask_configuration(WEBHOOK, plain)["url"] == shown
    assert mask_configuration(WEBHOOK, {**plain, "path": "fernet:x"})["url"] in (shown, f"{plain['url']}{MASK}")
    assert read_configuration(WEBHOOK, {"url": shown}, plain) == plain
    # As WMS stored it before the URL was a secret.
    assert mask_configuration(WEBHOOK, {"url": url, "headers": {}})["url"] == shown
    if MASK in shown:
        for other in (None, {**plain, "url": "https://evil.example.org/"}):
            with pytest.raises(FieldsRefused, match=r"url: .* stands for no secret of this receiver"):
                read_configuration(WEBHOOK, {"url": shown}, other)


def test_another_path_at_the_same_host_is_another_receiver() -> None:
    plain = read_configuration(WEBHOOK, HOOK, None)
    again = {**mask_configuration(WEBHOOK, plain), "url": "https://example.org/of-somebody-else"}
    with pytest.raises(FieldsRefused, match=r"password: .* give it again"):
        read_configuration(WEBHOOK, again, plain)
    assert read_configuration(WEBHOOK, {"url": "https://example.org/"}, plain)["path"] == ""


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(WEBHOOK, HOOK), (EMAIL, {**MAIL, "password": "p4ss"}), (APPRISE, {"urls": ["slack://p4ss", "json://k3y"]})],
)
def test_secrets_are_masked_and_the_mask_means_the_secret_of_the_same_receiver(
    kind: NotificationType, raw: dict[str, Any]
) -> None:
    plain = read_configuration(kind, raw, None)
    masked = mask_configuration(kind, plain)
    assert all(secret not in str(masked) for secret in ("p4ss", "k3y"))
    assert MASK in str(masked)
    assert read_configuration(kind, masked, plain) == plain
    with pytest.raises(FieldsRefused, match="stands for no secret"):
        read_configuration(kind, masked, None)
    emptied = _empty_masks(masked)
    assert read_configuration(kind, emptied, plain) == plain, "so `awx import` changes nothing"
    sealed = map_secrets(kind, plain, lambda text: f"<{text}>")
    assert map_secrets(kind, sealed, lambda text: text[1:-1]) == plain


@pytest.mark.parametrize(
    ("kind", "raw", "moved"),
    [
        (WEBHOOK, HOOK, {"url": "https://evil.example.org/"}),
        (EMAIL, {**MAIL, "password": "p4ss"}, {"host": "evil.example.org"}),
        (EMAIL, {**MAIL, "password": "p4ss", "use_tls": True}, {"use_tls": False}),
    ],
)
def test_a_new_receiver_does_not_get_the_secrets_of_the_old_one(
    kind: NotificationType, raw: dict[str, Any], moved: dict[str, Any]
) -> None:
    plain = read_configuration(kind, raw, None)
    with pytest.raises(FieldsRefused, match="give it again"):
        read_configuration(kind, {**mask_configuration(kind, plain), **moved}, plain)


def test_a_secret_that_no_key_reads_must_be_given_again_and_may_be() -> None:
    plain = read_configuration(WEBHOOK, HOOK, None)
    lost, shown = map_secrets(WEBHOOK, plain, lambda _: MASK), mask_configuration(WEBHOOK, plain)
    for again in (shown, {**shown, "password": "", "headers": {"X-Api-Key": "", "A": "b"}}):
        with pytest.raises(FieldsRefused) as caught:
            read_configuration(WEBHOOK, again, lost)
        assert "password: $encrypted$ stands for no secret" in str(caught.value.fields)
        assert "headers.X-Api-Key: $encrypted$ stands for no secret" in str(caught.value.fields)
    assert read_configuration(WEBHOOK, HOOK, lost)["password"] == "p4ss"


def test_receivers_are_described_without_secrets() -> None:
    assert describe_recipients(APPRISE, {"urls": ["slack://p4ss/x", "mailto://a:b@c.org"]}) == "slack, mailto"
    for url, shown in [
        ("https://example.org:8443/hook/s3cret", "https://example.org:8443/…"),
        ("https://example.org?token=s3cret", "https://example.org/…"),
        ("https://example.org/", "https://example.org/"),
    ]:
        assert describe_recipients(WEBHOOK, read_configuration(WEBHOOK, {**HOOK, "url": url}, None)) == shown


def test_a_password_goes_with_its_user() -> None:
    plain = read_configuration(EMAIL, {**MAIL, "username": "ada", "password": "p4ss"}, None)
    assert read_configuration(EMAIL, {**plain, "username": "", "password": ""}, plain)["password"] == ""
