"""Without a setting, no notification reaches the machine itself: not by a name, a number, a redirect, or a library."""

from typing import Any

import pytest

from tests.integration.wms.trees.receivers import receive_hooks, receive_mails
from wms.notifications.child_processes import ask_child
from wms.notifications.sending.webhook_sender import WebhookSender

CHILD = "wms.notifications.sending.sending_child"
PLAIN: dict[str, Any] = {
    "http_method": "POST",
    "headers": {},
    "username": "",
    "password": "",
    "disable_ssl_verification": False,
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
async def test_a_webhook_does_not_reach_this_machine(host: str) -> None:
    async with receive_hooks() as hook:
        url = hook.url.replace("127.0.0.1", host)
        barred, free = (WebhookSender(timeout_s=5.0, allows_local=allows) for allows in (False, True))
        outcome = await barred.send({**PLAIN, "url": url}, {"a": 1}, notification="7")
        assert "loopback and link-local addresses are not allowed" in outcome.error
        assert (outcome.may_repeat, hook.hits) == (False, [])
        sent = await free.send({**PLAIN, "url": hook.url}, {"a": 1}, notification="7")
        assert (sent.error, [hit.body for hit in hook.hits]) == ("", [{"a": 1}])
        assert hook.hits[0].headers["host"] == hook.url.split("/")[2]
        await barred.close()
        await free.close()


def make_order(kind: str, configuration: dict[str, Any], *, allows_local: bool) -> dict[str, Any]:
    """Return an order for the process that sends."""
    texts = {"id": "7-success-1", "subject": "Subject", "body": "Text\n.\nmore"}
    return {"type": kind, "configuration": configuration, "allows_local": allows_local, **texts}


async def test_apprise_sends_to_this_machine_only_if_that_is_allowed_and_starts_no_program() -> None:
    async with receive_hooks() as hook:
        url = hook.url.replace("http://", "json://ada:correct-horse@")
        refused = await ask_child(CHILD, make_order("apprise", {"urls": [url]}, allows_local=False), timeout_s=20)
        assert refused["error"]
        assert ("correct-horse" in refused["error"], hook.hits) == (False, [])
        sent = await ask_child(CHILD, make_order("apprise", {"urls": [url]}, allows_local=True), timeout_s=20)
        assert (sent["error"], len(hook.hits), hook.hits[0].body["title"]) == ("", 1, "Subject")
        for local in ("syslog://", "dbus://", "macosx://", "windows://", "nonsense://abcdef"):
            order = make_order("apprise", {"urls": [local]}, allows_local=False)
            assert (await ask_child(CHILD, order, timeout_s=20))["error"], local


async def test_a_mail_reaches_this_machine_only_if_that_is_allowed_and_a_refused_recipient_is_named() -> None:
    async with receive_mails() as mail:
        configuration = {"host": "localhost", "port": mail.port, "sender": "a@example.org", "timeout": 10}
        configuration |= {"recipients": ["b@example.org", "c@example.org"], "username": "", "password": ""}
        configuration |= {"use_tls": False, "use_ssl": False}
        refused = await ask_child(CHILD, make_order("email", configuration, allows_local=False), timeout_s=20)
        assert "not allowed" in refused["error"]
        assert mail.mails == []
        mail.refused = {"c@example.org"}
        sent = await ask_child(CHILD, make_order("email", configuration, allows_local=True), timeout_s=20)
        assert (sent["may_repeat"], "c@example.org: 550" in sent["error"]) == (False, True)
        assert [each.recipients for each in mail.mails] == [["b@example.org"]]
        assert mail.mails[0].message["Message-ID"] == "<7-success-1@notifications.ewms>"
