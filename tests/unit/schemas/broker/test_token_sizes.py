"""How many queues a task can have is what fits into a real token, signed with the largest key."""

from datetime import UTC, datetime, timedelta
from functools import cache

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mqs.tokens.grants import Audience, task_grant, token_claims, widen_for_existing_clients
from schemas import ids
from schemas.broker.token_sizes import MAX_TOKEN_BYTES, max_queues
from schemas.broker.topology import RESOURCE_SERVER
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, TaskforceUuid, WorkflowId
from schemas.questions.queues import GrantQuery

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")


@cache
def largest_key() -> rsa.RSAPrivateKey:
    """Return the key. Each worker of pytest would make one if the module did so, in seconds of a core."""
    return rsa.generate_private_key(public_exponent=65537, key_size=4096)


def token_bytes(n_queues: int, *, legacy: bool, server: str) -> int:
    """Return the size of the token of a task that reads half of its queues and publishes onto the others."""
    mqids = [ids.mqid(2**79 + n) for n in range(n_queues)]
    profiles = [
        MQProfileDocument(
            mqid=mqid,
            workflow_id=WORKFLOW,
            timestamp=1.0,
            alias=Alias(mqid),
            is_public=True,
            is_activated=True,
            is_input=n % 2 == 1,
            is_output=n % 2 == 0,
        )
        for n, mqid in enumerate(mqids)
    ]
    query = GrantQuery(
        workflow_id=WORKFLOW,
        taskforce_uuid=TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4"),
        inputs=mqids[1::2],
        outputs=mqids[::2],
    )
    group = MQGroupDocument(workflow_id=WORKFLOW, timestamp=1.0, state=GroupState.ACTIVE)
    grant = task_grant(group, profiles, query)
    said = token_claims(
        widen_for_existing_clients(grant, mqids) if legacy else grant,
        issuer="https://" + "x" * 192,
        audience=Audience(server, server),
        now=datetime(2026, 11, 21, tzinfo=UTC),
        life=timedelta(days=1),
        token_id="0" * 32,
    )
    return len(jwt.encode(said, largest_key(), algorithm="RS256", headers={"kid": "0" * 128}))


@pytest.mark.parametrize("server", [RESOURCE_SERVER, "production-rabbitmq." + "x" * 40])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_task_with_all_the_queues_it_can_have_gets_a_token_and_little_room_is_left(legacy: bool, server: str) -> None:
    limit = max_queues(for_existing_clients=legacy, server=server)
    assert token_bytes(limit, legacy=legacy, server=server) <= MAX_TOKEN_BYTES
    assert token_bytes(limit * 3 // 2, legacy=legacy, server=server) > MAX_TOKEN_BYTES


@pytest.mark.parametrize("server", [RESOURCE_SERVER, "production-rabbitmq." + "x" * 40])
@pytest.mark.parametrize("legacy", [False, True])
def test_rights_are_said_twice_only_where_both_fit(legacy: bool, server: str) -> None:
    sizes = [
        token_bytes(n, legacy=legacy, server=server)
        for n in range(1, max_queues(for_existing_clients=legacy, server=server) + 1)
    ]
    assert max(sizes) <= MAX_TOKEN_BYTES


def test_existing_clients_leave_room_for_fewer() -> None:
    assert 20 < max_queues(for_existing_clients=True) < max_queues() < 200
