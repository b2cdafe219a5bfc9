"""What tokens say: exactly the queues that are its bearer's, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.tokens.grants import (
    Audience,
    Grant,
    check_gateway,
    count_pilot_connections,
    pilot_grant,
    token_claims,
    user_grant,
    widen_for_existing_clients,
)
from schemas import ids
from schemas.broker.topology import tms_service
from schemas.errors import Conflict, EWMSError, Forbidden, Unavailable
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, TaskforceUuid, WorkflowId
from schemas.questions.queues import GrantQuery

NOW = datetime(2026, 11, 21, 8, 0, 0, 999_000, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
TASKFORCE = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")
FOREIGN = TaskforceUuid("TF-6b00e09f-00000000-485d2fc0-57c5a8e4")
IN, MID, OUT = (ids.mqid(n) for n in (1, 2, 3))
SCHEDD = "ap1.example.org"
CALLER = tms_service(SCHEDD)


def group(state: GroupState = GroupState.ACTIVE) -> MQGroupDocument:
    return MQGroupDocument(workflow_id=WORKFLOW, timestamp=1.0, state=state, schedds=[SCHEDD])


def profile(mqid: Mqid, *, is_input: bool = False, is_output: bool = False) -> MQProfileDocument:
    return MQProfileDocument(
        mqid=mqid,
        workflow_id=WORKFLOW,
        timestamp=1.0,
        alias=Alias(mqid),
        is_public=True,
        is_activated=True,
        is_input=is_input,
        is_output=is_output,
    )


PROFILES = [profile(IN, is_input=True), profile(MID, is_input=True, is_output=True), profile(OUT, is_output=True)]


def query(
    inputs: list[Mqid] | None = None, outputs: list[Mqid] | None = None, taskforce: TaskforceUuid = TASKFORCE
) -> GrantQuery:
    return GrantQuery(workflow_id=WORKFLOW, taskforce_uuid=taskforce, inputs=inputs or [], outputs=outputs or [])


@pytest.mark.parametrize(
    ("profile_", "reads", "writes"),
    [
        (profile(IN, is_input=True), (), (f"x.{IN}",)),
        (profile(OUT, is_output=True), (OUT,), ()),
        (profile(MID, is_input=True, is_output=True), (MID,), (f"x.{MID}",)),
        (profile(MID), (), ()),
    ],
)
def test_a_public_queue_lets_its_user_publish_onto_an_input_and_consume_from_an_output(
    profile_: MQProfileDocument, reads: tuple[Mqid, ...], writes: tuple[str, ...]
) -> None:
    assert user_grant(profile_, "ada") == Grant("user/ada", reads, writes)


def test_a_pilot_reads_its_inputs_and_writes_its_outputs_and_the_workflows_dead_letters() -> None:
    assert pilot_grant(group(), PROFILES, query([IN], [MID]), caller=CALLER) == Grant(
        f"wf/{WORKFLOW}/tf/{TASKFORCE}", (IN,), (f"x.{MID}", f"x.dead.{WORKFLOW}")
    )


def test_a_queue_named_twice_is_granted_once() -> None:
    grant = pilot_grant(group(), PROFILES, query([MID, MID], [MID, MID]), caller=CALLER)
    assert grant.reads == (MID,)
    assert grant.writes == (f"x.{MID}", f"x.dead.{WORKFLOW}")


@pytest.mark.parametrize(
    ("group_", "query_", "caller", "error"),
    [
        (group(), query([IN]), "wms", Forbidden),
        (group(), query([IN]), "mqs", Forbidden),
        (group(), query([IN]), tms_service("ap2.example.org"), Forbidden),
        (group(), query([IN]), SCHEDD, Forbidden),
        (None, query([IN]), CALLER, Forbidden),
        (group(), query([IN], taskforce=FOREIGN), CALLER, Forbidden),
        (group(), query([IN], taskforce=TaskforceUuid("nonsense")), CALLER, Forbidden),
        (group(), query([ids.mqid(9)]), CALLER, Forbidden),
        (group(), query([], [ids.mqid(9)]), CALLER, Forbidden),
        (group(), query([OUT]), CALLER, Forbidden),
        (group(), query([], [IN]), CALLER, Forbidden),
        (group(GroupState.RESERVED), query([IN]), CALLER, Unavailable),
        (group(GroupState.RETIRING), query([IN]), CALLER, Conflict),
        (group(GroupState.RETIRED), query([IN]), CALLER, Conflict),
        (group(GroupState.RETIRED), query([IN]), "tms.stranger", Forbidden),
        # A newer version stored it: whether the queues are open is not known.
        (group(GroupState("sealed")), query([IN]), CALLER, Unavailable),
    ],
)
def test_a_pilots_token_is_refused(
    group_: MQGroupDocument | None, query_: GrantQuery, caller: str, error: type[EWMSError]
) -> None:
    with pytest.raises(error):
        pilot_grant(group_, PROFILES, query_, caller=caller)


def test_a_stranger_hears_the_same_of_a_workflow_that_exists_and_of_one_that_does_not() -> None:
    said = []
    for group_, profiles in ((group(), PROFILES), (None, [])):
        with pytest.raises(Forbidden) as refused:
            pilot_grant(group_, profiles, query([IN]), caller="tms.stranger")
        said.append(refused.value.reason)
    assert said[0] == said[1]


@pytest.mark.parametrize("caller", ["mqs", CALLER, "tms.wms", "", "WMS", "admin"])
def test_only_the_gateway_asks_for_users(caller: str) -> None:
    check_gateway("wms")
    with pytest.raises(Forbidden):
        check_gateway(caller)


def mint(grant: Grant, life: timedelta = timedelta(hours=24)) -> dict[str, Any]:
    return token_claims(
        grant,
        issuer="https://mqs.example/mqbroker-issuer",
        audience=Audience("ewms", "ewms"),
        now=NOW,
        life=life,
        token_id="t1",
    )


def test_the_claims_of_a_token_word_by_word() -> None:
    issued = int(NOW.timestamp())
    assert mint(Grant("user/ada", (MID,), (f"x.{MID}",))) == {
        "iss": "https://mqs.example/mqbroker-issuer",
        "sub": "user/ada",
        "aud": ["ewms"],
        "iat": issued,
        "nbf": issued - 60,
        "exp": issued + 86_400,
        "jti": "t1",
        "scope": f"ewms.read:ewms/{MID} ewms.write:ewms/x.{MID}",
        "authorization_details": [
            {"type": "ewms", "locations": [f"cluster:ewms/vhost:ewms/queue:{MID}"], "actions": ["read"]},
            {"type": "ewms", "locations": [f"cluster:ewms/vhost:ewms/exchange:x.{MID}"], "actions": ["write"]},
        ],
    }


def test_many_rights_are_said_once_so_that_the_login_still_fits_into_its_frame() -> None:
    assert "authorization_details" in mint(Grant("u", tuple(ids.mqid(n) for n in range(30))))
    assert "authorization_details" not in mint(Grant("u", tuple(ids.mqid(n) for n in range(60))))


_mqids = st.integers(0, 2**80 - 1).map(ids.mqid)


@given(st.lists(_mqids, max_size=5), st.lists(_mqids, max_size=5))
def test_no_token_ever_configures_names_the_default_exchange_or_a_pattern(
    reads: list[Mqid], writes: list[Mqid]
) -> None:
    said = mint(Grant("s", tuple(reads), tuple(f"x.{mqid}" for mqid in writes)))
    for scope in said["scope"].split():
        right, _, place = scope.removeprefix("ewms.").partition(":")
        vhost, _, name = place.partition("/")
        assert (right, vhost) in {("read", "ewms"), ("write", "ewms")}
        # A queue is only ever read and an exchange only ever written: write on a queue's name would allow binding.
        assert name.startswith("x.a") if right == "write" else name.startswith("a")
        assert "*" not in name
        assert "%" not in name
    for detail in said["authorization_details"]:
        assert detail["actions"] in (["read"], ["write"])
        assert not any("amq.default" in place or "*" in place for place in detail["locations"])


def test_an_existing_clients_token_says_what_the_contract_says_and_which_format_its_queue_has() -> None:
    said = mint(widen_for_existing_clients(user_grant(profile(IN, is_input=True), "ada"), [IN]))
    assert set(said["scope"].split()) == {
        f"ewms.configure:ewms/{IN}",
        f"ewms.read:ewms/{IN}",
        f"ewms.write:ewms/{IN}",
        f"ewms.write:ewms/x.{IN}",
        "ewms.write:ewms/amq.default",
    }
    assert said["authorization_details"] == [
        {
            "type": "ewms",
            "locations": [f"cluster:ewms/vhost:ewms/queue:{IN}"],
            "actions": ["configure", "read", "write"],
        },
        {
            "type": "ewms",
            "locations": [f"cluster:ewms/vhost:ewms/exchange:x.{IN}", "cluster:ewms/vhost:ewms/exchange:amq.default"],
            "actions": ["write"],
        },
    ]
    assert said["ewms_wire"] == "legacy"
    assert "ewms_wire" not in mint(user_grant(profile(IN, is_input=True), "ada"))


def test_only_the_named_queues_are_opened_for_existing_clients() -> None:
    said = mint(widen_for_existing_clients(Grant("wf/x", (IN,), (f"x.{OUT}",)), [IN, IN]))
    assert not any(OUT in scope and f"x.{OUT}" not in scope for scope in said["scope"].split())
    assert said["scope"].count("configure") == 1


def test_a_broker_by_another_name_is_named_in_the_token() -> None:
    said = token_claims(
        Grant("u", (IN,)), issuer="i", audience=Audience("rabbitmq", "kind"), now=NOW, life=timedelta(1), token_id="t"
    )
    assert said["aud"] == ["rabbitmq"]
    assert said["scope"] == f"rabbitmq.read:ewms/{IN}"
    assert said["authorization_details"] == [
        {"type": "kind", "locations": [f"cluster:rabbitmq/vhost:ewms/queue:{IN}"], "actions": ["read"]}
    ]


@pytest.mark.parametrize(
    ("n_workers", "inputs", "expected"), [(0, [IN], 0), (1, [], 22), (3, [IN], 26), (3, [IN, MID], 32)]
)
def test_pilots_may_have_twice_the_connections_that_they_need(
    n_workers: int, inputs: list[Mqid], expected: int
) -> None:
    asked = query(inputs=inputs).model_copy(update={"n_workers": n_workers})
    assert count_pilot_connections(asked) == expected
