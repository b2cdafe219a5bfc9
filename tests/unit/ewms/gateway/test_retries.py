from ewms.gateway.retries import retry_pause_s


def test_pauses_grow_with_the_attempts_and_stay_bounded() -> None:
    pauses = [retry_pause_s(n, remaining_s=1e9, chance=0.99) for n in (0, 3, 9, 10_000)]
    assert all(pause is not None for pause in pauses)
    assert pauses == sorted(pauses, key=lambda p: p or 0)
    assert (pauses[-1] or 0) <= 5.0


def test_the_server_s_own_wish_is_kept_and_jittered() -> None:
    assert retry_pause_s(0, remaining_s=60, chance=0.0, retry_after="7") == 7.0
    assert (retry_pause_s(0, remaining_s=60, chance=0.5, retry_after="7") or 0) > 7.0


def test_a_wish_that_is_no_number_is_ignored() -> None:
    assert retry_pause_s(0, remaining_s=60, chance=0.0, retry_after="Fri, 31 Dec 1999 23:59:59 GMT") == 0.0


def test_no_time_left_means_giving_up() -> None:
    assert retry_pause_s(5, remaining_s=0.01, chance=0.9) is None
    assert retry_pause_s(0, remaining_s=3, chance=0.0, retry_after="7") is None
