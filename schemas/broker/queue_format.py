"""The format of the events in a queue, and how the queue's token names it."""

from enum import StrEnum

#: The claim in a queue's token that names the queue's format. The contract has no key for the format in a profile.
WIRE_CLAIM = "ewms_wire"


class Wire(StrEnum):
    """The format of the events in a queue."""

    #: The unchanged payload, with everything else in AMQP properties: see `schemas.payloads.data_events`.
    EWMS = "ewms"
    #: The format of existing message clients.
    LEGACY = "legacy"
