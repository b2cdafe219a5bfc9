"""What the broker answers, as the family that says who acts."""

from ssl import SSLError

import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from runtime.amqp import AccessRefused, CertificateRefused, ConnectionLost, NotDeclared, QueueFull, Unroutable
from runtime.amqp.channel_loss import find_error_of_event
from runtime.amqp.errors import DeclaredOtherwise, translate_error
from schemas.errors import EWMSError, Rejected, TooLarge, Unavailable

RETURNED = Basic.Return(312, "NO_ROUTE", "x.a", "a")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (PublishError(DeliveredMessage(RETURNED, ContentHeader(), b"", None), RETURNED), Unroutable),  # type: ignore[arg-type]
        (DeliveryError(None, Basic.Nack(1)), QueueFull),
        (ChannelNotFoundEntity("NOT_FOUND - no exchange 'x.a' in vhost 'ewms'"), NotDeclared),
        (ChannelPreconditionFailed("PRECONDITION_FAILED - inequivalent arg 'x-queue-type'"), DeclaredOtherwise),
        (ChannelPreconditionFailed("PRECONDITION_FAILED - unknown delivery tag 5"), ConnectionLost),
        (ChannelAccessRefused("ACCESS_REFUSED - write access to exchange 'x.a'"), AccessRefused),
        (ProbableAuthenticationError("ACCESS_REFUSED - Login was refused"), AccessRefused),
        (
            InvalidFrameError("Expected one of ['Connection.OpenOk'], got <Connection.Close object at 0x7f>"),
            AccessRefused,
        ),
        (InvalidFrameError("garbage"), ConnectionLost),
        (ConnectionClosed(320, "CONNECTION_FORCED - credential expired"), ConnectionLost),
        (ChannelInvalidStateError("closed"), ConnectionLost),
        (ConnectionResetError("reset"), ConnectionLost),
        (
            SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer"),
            CertificateRefused,
        ),
        (SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)"), ConnectionLost),
        (TimeoutError(), ConnectionLost),
        (None, ConnectionLost),
    ],
)
def test_each_answer_has_its_family(error: BaseException | None, meaning: type[EWMSError]) -> None:
    assert type(translate_error(error)) is meaning


def test_what_comes_back_by_itself_is_unavailable_and_what_the_sender_must_mend_is_rejected() -> None:
    assert all(issubclass(kind, Unavailable) for kind in (ConnectionLost, Unroutable, QueueFull, NotDeclared))
    assert issubclass(AccessRefused, Rejected)


def test_an_error_that_is_ours_already_stays_itself() -> None:
    error = TooLarge("x")
    assert translate_error(error) is error


def test_only_the_event_that_a_refusal_names_is_refused_and_its_neighbours_are_sent_again() -> None:
    refused = ChannelAccessRefused("ACCESS_REFUSED - write access to exchange 'x.b' in vhost 'ewms' refused")
    assert isinstance(find_error_of_event(refused, "x.b", b""), AccessRefused)
    assert find_error_of_event(refused, "x.bb", b"") is None
    nameless = ChannelAccessRefused("ACCESS_REFUSED - write access to exchange 'amq.default' in vhost 'ewms' refused")
    assert isinstance(find_error_of_event(nameless, "", b""), AccessRefused)
    assert find_error_of_event(nameless, "x.b", b"") is None
    missing = ChannelNotFoundEntity("NOT_FOUND - no exchange 'x.b' in vhost 'ewms'")
    assert isinstance(find_error_of_event(missing, "x.b", b""), NotDeclared)
    assert find_error_of_event(missing, "x.a", b"") is None


def test_of_the_events_in_flight_only_the_one_of_the_refused_size_is_too_large() -> None:
    refused = ChannelPreconditionFailed("PRECONDITION_FAILED - message size 5 is larger than configured max size 4")
    assert isinstance(find_error_of_event(refused, "x.a", b"12345"), TooLarge)
    assert find_error_of_event(refused, "x.a", b"123") is None


def test_a_refusal_that_names_no_exchange_is_everybodys() -> None:
    assert isinstance(
        find_error_of_event(ChannelAccessRefused("ACCESS_REFUSED - token expired"), "x.a", b""), AccessRefused
    )


def test_a_lost_channel_refuses_nothing() -> None:
    assert find_error_of_event(ChannelInvalidStateError("closed"), "x.a", b"") is None
    assert find_error_of_event(ConnectionClosed(320, "CONNECTION_FORCED"), "x.a", b"") is None
    assert find_error_of_event(ConnectionNotAllowed("NOT_ALLOWED - New secret was refused"), "x.a", b"") is None
