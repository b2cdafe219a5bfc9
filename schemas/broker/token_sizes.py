"""How many rights fit into one token for the broker, and so how many queues one task can have.

A pilot has one token, which names every queue of its task. MQS refuses to make a token that the broker would refuse. A
task with too many queues could never start, so WMS checks the number before it accepts a request.
"""

import hashlib

from schemas import ids
from schemas.broker.topology import RESOURCE_SERVER, dead_exchange, event_exchange, oauth_scope

#: The login is one frame (`initial_frame_max`, 8192 bytes by default), which also contains other properties of the
#: client. Tried on RabbitMQ 4.3.6: with 7654 bytes the login works, with 8187 the broker resets the connection.
MAX_TOKEN_BYTES = 7200

#: A token is three texts in base64, and base64 turns 3 bytes into 4.
_MAX_TEXT_BYTES = MAX_TOKEN_BYTES * 3 // 4
#: Everything except the rights: the header with the key's id, the signature of an RSA key of 4096 bits, and the other
#: claims with an issuer of 200 characters.
_HEADER_BYTES = len(hashlib.sha512().hexdigest()) + 50
_SIGNATURE_BYTES = 4096 // 8
_CLAIMS_BYTES = 200 + 300

_MQID = ids.mqid(0)
_WORKFLOW = ids.workflow_id(2**32 - 1, 0)


def _count_rights(server: str, *rights: tuple[str, str]) -> int:
    """Return how many bytes `rights` take in a token. Each is an action and the name of a queue or exchange."""
    return sum(len(oauth_scope(action, name, server)) + 1 for action, name in rights)


def rights_bytes(server: str) -> int:
    """Return how many bytes of a token are left for its rights on the resource server `server`."""
    return _MAX_TEXT_BYTES - _HEADER_BYTES - _SIGNATURE_BYTES - _CLAIMS_BYTES - len(server)


def max_queues(*, for_existing_clients: bool = False, server: str = RESOURCE_SERVER) -> int:
    """Return how many queues a task can have. Inputs and outputs count separately.

    With `for_existing_clients`, a token needs more rights for each queue
    (`mqs.tokens.grants.widen_for_existing_clients`). `server` is the broker's name as an OAuth resource server, which
    each right contains.
    """
    room = rights_bytes(server) - _count_rights(server, ("write", dead_exchange(_WORKFLOW)), ("write", "amq.default"))
    publishing = ("write", event_exchange(_MQID))
    if not for_existing_clients:
        # The right to publish is a few bytes longer than the right to read.
        return room // _count_rights(server, publishing)
    return room // _count_rights(server, publishing, ("configure", _MQID), ("read", _MQID), ("write", _MQID))
