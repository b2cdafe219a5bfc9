"""Joined acknowledgements settle exactly what was acknowledged."""

from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic

from runtime.amqp.wire.settlements import AckBook


class Broker:
    """The unsettled deliveries, as the broker sees them."""

    def __init__(self, n: int) -> None:
        self.on_loan = set(range(1, n + 1))
        self.settled: list[int] = []
        self.n_frames = 0

    def read(self, data: bytes) -> None:
        while data:
            n_read, channel, ack = frame.unmarshal(data)
            assert (channel, type(ack)) == (7, Basic.Ack)
            data, self.n_frames = data[n_read:], self.n_frames + 1
            tags = {tag for tag in self.on_loan if tag <= ack.delivery_tag} if ack.multiple else {ack.delivery_tag}
            # RabbitMQ closes a channel that settles what is not on loan.
            assert tags, "nothing to settle"
            assert tags <= self.on_loan
            self.on_loan -= tags
            self.settled += sorted(tags)


def lent(n: int) -> tuple[AckBook, Broker]:
    book = AckBook()
    for tag in range(1, n + 1):
        book.add_delivery(tag)
    return book, Broker(n)


def test_a_row_without_a_gap_is_one_frame_and_a_slow_event_holds_up_no_other() -> None:
    book, broker = lent(10)
    for tag in (1, 2, 3, 5, 6):
        book.add_ack(tag)
    broker.read(book.take_frames(7))
    assert (sorted(broker.settled), broker.n_frames) == ([1, 2, 3, 5, 6], 3)
    book.add_ack(4)
    book.add_ack(7)
    broker.read(book.take_frames(7))
    assert (sorted(broker.settled), broker.n_frames) == ([1, 2, 3, 4, 5, 6, 7], 4)
    assert book.take_frames(7) == b""


@given(st.permutations(range(1, 15)), st.data())
def test_in_any_order_each_delivery_is_settled_once_and_only_if_it_was_acknowledged(
    order: list[int], data: st.DataObject
) -> None:
    book, broker = lent(14)
    acknowledged, alone = set(), set()
    for tag in order:
        how = data.draw(st.sampled_from(["ack", "ack", "alone", "keep"]))
        if how == "ack":
            book.add_ack(tag)
            acknowledged.add(tag)
        elif how == "alone":
            broker.read(book.take_frames(7))
            book.note_settled(tag)
            broker.on_loan.discard(tag)
            alone.add(tag)
        if data.draw(st.booleans()):
            broker.read(book.take_frames(7))
    broker.read(book.take_frames(7))
    assert sorted(broker.settled) == sorted(acknowledged)
    assert broker.on_loan == set(range(1, 15)) - acknowledged - alone
    assert bool(book) is False


def test_one_delivery_that_lasts_keeps_none_of_those_that_are_over() -> None:
    book = AckBook()
    for tag in range(1, 10_000):
        book.add_delivery(tag)
        if tag > 1:
            (book.note_settled if tag % 3 == 0 else book.add_ack)(tag)
        book.take_frames(7)
    assert list(book._on_loan) == [1]
    assert not book
