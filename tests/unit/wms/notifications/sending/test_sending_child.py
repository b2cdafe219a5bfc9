"""What the library says of a failure is shown without the parts of the address."""

from wms.notifications.sending.sending_child import hide_parts


def test_no_part_of_an_address_is_shown() -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general?token=abcd1234"
    text = (
        "Failed to reach https://hooks.example.org/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ\n in general: abcd1234"
    )
    hidden = hide_parts(text, url)
    for part in ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ", "abcd1234"):
        assert part not in hidden
    assert hidden.startswith("Failed to reach https://hooks.example.org/")
