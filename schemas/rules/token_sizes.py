"""How much one token for the broker can say, and so how many queues one task can have.

A pilot has one token, which names every queue of its task. MQS refuses to mint one that the broker would not take; WMS
asks here before it takes a request, since a task with more queues could never start.
"""

import hashlib

from schemas import ids
from schemas.topology import RESOURCE_SERVER, dead_exchange, event_exchange, scope

#: What fits into the one frame of the login (`initial_frame_max`, 8192 bytes by default) beside what clients say of
#: themselves there.
#: Tried on RabbitMQ 4.3.6: 7654 bytes log in, 8187 have the connection reset without a word.
MAX_TOKEN_BYTES = 7200

#: A token is three texts in base64, which makes 4 bytes of 3.
_MAX_TEXT_BYTES = MAX_TOKEN_BYTES * 3 // 4
#: All but the rights: the header with the key's id, the signature of an RSA key of 4096 bits, and the other claims with
#: an issuer of 200 characters.
_HEADER_BYTES = len(hashlib.sha512().hexdigest()) + 50
_SIGNATURE_BYTES = 4096 // 8
_CLAIMS_BYTES = 200 + 300

_MQID = ids.mqid(0)
_WORKFLOW = ids.workflow_id(2**32 - 1, 0)


def _said(server: str, *rights: tuple[str, str]) -> int:
    """Return how many bytes `rights` take: actions with the names of what they may be done to."""
    return sum(len(scope(action, name, server)) + 1 for action, name in rights)


def rights_bytes(server: str) -> int:
    """Return how many bytes a token has for its rights, said either way, on the resource server `server`."""
    return _MAX_TEXT_BYTES - _HEADER_BYTES - _SIGNATURE_BYTES - _CLAIMS_BYTES - len(server)


def max_queues(*, for_existing_clients: bool = False, server: str = RESOURCE_SERVER) -> int:
    """Return how many queues a task can have, its inputs and outputs counted one by one.

    `for_existing_clients` a token has to say more of each (`mqs.tokens.grants.for_existing_clients`). `server` is what
    the broker is called as an OAuth resource server: each right names it.
    """
    room = rights_bytes(server) - _said(server, ("write", dead_exchange(_WORKFLOW)), ("write", "amq.default"))
    publishing = ("write", event_exchange(_MQID))
    if not for_existing_clients:
        # To publish takes a few bytes more than to read.
        return room // _said(server, publishing)
    return room // _said(server, publishing, ("configure", _MQID), ("read", _MQID), ("write", _MQID))
