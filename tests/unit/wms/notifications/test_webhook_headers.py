"""A header goes to a webhook once, however a user has spelled it."""

from wms.notifications.sending.webhook_sender import drop_headers


def test_a_header_of_our_own_replaces_that_of_the_user_in_any_case() -> None:
    given = {"host": "a", "CONTENT-TYPE": "b", "X-Team": "red"}
    assert drop_headers(given, ["Host", "Content-Type"]) == {"X-Team": "red"}
