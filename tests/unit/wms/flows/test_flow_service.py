"""The workflow service on a store and an engine that the test plays. Tests name the contract's rows they prove."""

from collections.abc import Mapping
from typing import Any

import pytest

from runtime.tracing import continue_trace
from schemas.engine.flows import FlowErrorCode, FlowStatus
from schemas.engine.graph import DefinitionKind
from schemas.errors import Broken, Conflict, EWMSError, Forbidden, TooLarge, Unavailable
from schemas.ids import OrganizationId
from tests.unit.wms.flows.flow_runs import DEFINITION, stored, walk_flow
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Begin, PutState, Wish
from wms.flows.flow_errors import FlowCallFailed, FlowDefineNotFound, FlowStoreAway, number_errors
from wms.flows.flow_service import FlowQuery, FlowService, make_query
from wms.tenancy.rights import Principal, TenancyRole

DEFAULT = OrganizationId("default")
ADA = Principal("ada", roles={DEFAULT: frozenset({TenancyRole.ORG_MEMBER})})
AUDITOR = Principal("eve", roles={DEFAULT: frozenset({TenancyRole.ORG_AUDITOR})})
STRANGER = Principal("bob", roles={OrganizationId("north"): frozenset({TenancyRole.ORG_MEMBER})})
ROOT = Principal("root", frozenset({TenancyRole.SUPERUSER}))


class PlayedStore:
    """A store with one definition and, perhaps, one run."""

    def __init__(self, run: Mapping[str, Any] | None = None) -> None:
        self.run = run
        self.definition: Mapping[str, Any] | None = {
            "_id": DEFINITION.hash,
            "hash": DEFINITION.hash,
            "name": DEFINITION.name,
            "definition": DEFINITION.model_dump(mode="json"),
        }

    async def find_one(self, collection: str, query: Mapping[str, Any], **_: Any) -> Any:
        return self.run

    async def find(self, collection: str, query: Mapping[str, Any], **_: Any) -> list[Any]:
        if collection == "definitions":
            return (
                [self.definition] if self.definition and query.get("name", DEFINITION.name) == DEFINITION.name else []
            )
        raise Broken("a driver's secret")

    async def count(self, *_: Any) -> int:
        return 0


class PlayedEngine:
    """An engine that keeps what it is asked for, and may refuse."""

    def __init__(self, refusal: EWMSError | None = None) -> None:
        self.refusal = refusal
        self.launched: list[tuple[str, LaunchWish, bool]] = []
        self.stimuli: list[Any] = []

    async def launch_run(self, name: str, wish: LaunchWish, *, begins: bool, run_uuid: Any, also: Any) -> Any:
        self.launched.append((name, wish, begins))
        if self.refusal is not None:
            raise self.refusal
        return walk_flow().facts

    async def apply_stimulus(self, run: int, stimulus: Any) -> None:
        self.stimuli.append(stimulus)
        if self.refusal is not None:
            raise self.refusal


def serve(store: PlayedStore | None = None, engine: PlayedEngine | None = None) -> tuple[FlowService, PlayedEngine]:
    played: Any = engine or PlayedEngine()
    there: Any = store or PlayedStore()
    return FlowService(there, played), played


def stored_flow() -> dict[str, Any]:
    return {**stored(walk_flow()), "organization": "default"}


async def test_t8_t16_a_flow_is_created_without_a_start_and_its_context_says_whose_it_is() -> None:
    service, engine = serve()
    with continue_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        assert await service.create_flow(ADA, flow_name="create_cluster", biz_id="c-1", biz_type="cluster") == "u-1"
    [(name, wish, begins)] = engine.launched
    assert (name, begins, wish.organization) == ("create_cluster", False, "default")
    assert wish.params == {"biz_id": "c-1", "biz_type": "cluster"}
    assert wish.state == {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "user_id": "ada",
        "tenant_id": "default",
    }


async def test_t7_t8_an_unknown_name_is_define_not_found() -> None:
    service, engine = serve()
    with pytest.raises(FlowDefineNotFound) as caught:
        await service.create_flow(ADA, flow_name="other", biz_id="", biz_type="")
    assert (caught.value.code, caught.value.number, engine.launched) == (404, 40104, [])
    assert (await service.find_define("create_cluster")).flow_name == "create_cluster"
    assert [each.flow_name for each in await service.list_defines()] == ["create_cluster"]


async def test_a_step_list_is_no_flow() -> None:
    store = PlayedStore()
    steps = DEFINITION.model_copy(update={"kind": DefinitionKind.STEPS})
    store.definition = {**(store.definition or {}), "definition": steps.model_dump(mode="json")}
    with pytest.raises(FlowDefineNotFound):
        await serve(store)[0].find_define("create_cluster")


@pytest.mark.parametrize("refusal", [Conflict("it exists already in runs"), Broken("secret")])
async def test_d10_a_failed_creation_is_create_failed(refusal: EWMSError) -> None:
    service, _ = serve(engine=PlayedEngine(refusal))
    with pytest.raises(FlowCallFailed) as caught:
        await service.create_flow(ADA, flow_name="create_cluster", biz_id="", biz_type="")
    assert (caught.value.code, caught.value.number) == (500, 40100)
    assert caught.value.reason.startswith("workflow create failed")
    assert "secret" not in caught.value.reason


async def test_t9_t10_queries_and_details_have_their_own_errors() -> None:
    service, _ = serve()
    with pytest.raises(FlowCallFailed) as caught:
        await service.list_flows(ADA, FlowQuery())
    assert (caught.value.number, caught.value.reason) == (40101, "workflow query failed")
    with pytest.raises(FlowCallFailed) as caught:
        await service.get_detail(ADA, "u-1")
    assert (caught.value.number, caught.value.code) == (40102, 500)
    store = PlayedStore(stored_flow())
    assert (await serve(store)[0].get_detail(ADA, "u-1")).info.id == "u-1"
    store.definition = None
    with pytest.raises(FlowDefineNotFound):
        await serve(store)[0].get_detail(ADA, "u-1")


async def test_t11_a_context_is_set_key_by_key_and_needs_a_flow_and_its_definition() -> None:
    store = PlayedStore(stored_flow())
    service, engine = serve(store)
    await service.put_context(ADA, "u-1", "name", {"n": 1})
    await service.put_context(ADA, "u-1", "name", None)
    assert engine.stimuli == [PutState({"name": {"n": 1}}, "ada"), PutState({"name": None}, "ada")]
    store.definition = None
    with pytest.raises(FlowDefineNotFound):
        await service.put_context(ADA, "u-1", "name", 1)
    with pytest.raises(EWMSError, match="no workflow found with id: u-1"):
        await serve()[0].put_context(ADA, "u-1", "name", 1)


async def test_t12_t13_t14_t17_a_call_only_says_what_is_wanted() -> None:
    service, engine = serve(PlayedStore(stored_flow()))
    await service.start_flow(ADA, "u-1")
    await service.stop_flow(ADA, "u-1")
    await service.cancel_flow(ADA, "u-1", "wrong customer")
    begin, stop, cancel = engine.stimuli
    assert begin == Begin("ada")
    assert (stop, cancel) == (Wish(stop.kind, "ada"), Wish(cancel.kind, "ada", "wrong customer"))
    assert (stop.kind, cancel.kind) == ("stop", "cancel")


@pytest.mark.parametrize(
    ("prepare", "accepted"),
    [
        (lambda walk: walk, ()),
        (lambda walk: walk.begin(), ("start_flow",)),
        (lambda walk: walk.begin().stop(), ("stop_flow",)),
        (lambda walk: (walk.begin(), walk.take("start"), walk.cancel()), ("cancel_flow",)),
        (lambda walk: walk.cancel(), ("cancel_flow",)),
    ],
)
async def test_a_repeated_call_changes_nothing_and_any_other_is_refused(
    prepare: Any, accepted: tuple[str, ...]
) -> None:
    walk = walk_flow()
    prepare(walk)
    store = PlayedStore({**stored(walk), "organization": "default"})
    service, _ = serve(store, PlayedEngine(Conflict("the run has moved on")))
    for name, arguments, number in (
        ("start_flow", (), FlowErrorCode.START_FAILED),
        ("stop_flow", (), FlowErrorCode.STOP_FAILED),
        ("cancel_flow", ("why",), FlowErrorCode.CANCEL_FAILED),
    ):
        call = getattr(service, name)(ADA, "u-1", *arguments)
        if name in accepted:
            await call
        else:
            with pytest.raises(FlowCallFailed) as caught:
                await call
            assert (caught.value.number, caught.value.code) == (number, 500)


async def test_read_and_update_are_rights_in_the_flows_own_organization() -> None:
    service, engine = serve(PlayedStore(stored_flow()))
    assert (await service.get_detail(AUDITOR, "u-1")).info.id == "u-1"
    with pytest.raises(Forbidden):
        await service.start_flow(AUDITOR, "u-1")
    for call in (service.get_detail(STRANGER, "u-1"), service.stop_flow(STRANGER, "u-1")):
        with pytest.raises(FlowCallFailed, match="no workflow found with id: u-1"):
            await call
    assert engine.stimuli == []


def test_t1_d10_a_filter_is_a_text_and_never_a_pattern() -> None:
    query = FlowQuery(status=FlowStatus.FINISHED, flow_name="a.*%", biz_id="$x", biz_type="host")
    assert make_query(query, ADA) == {
        "kind": "flow",
        "status": {"$in": ["successful"]},
        "definition": {"$regex": r"a\.\*%"},
        "params.biz_id": "$x",
        "params.biz_type": "host",
        "organization": {"$in": ["default"]},
    }
    assert make_query(FlowQuery(), ROOT) == {"kind": "flow"}


def test_t19_errors_get_a_number_once() -> None:
    def fail(error: EWMSError) -> EWMSError:
        try:
            with number_errors(FlowErrorCode.START_FAILED):
                raise error
        except EWMSError as caught:
            return caught

    away = fail(Unavailable("MongoDB is away"))
    assert isinstance(away, FlowStoreAway)
    assert (away.code, away.number, away.reason) == (503, 40103, "workflow start failed: MongoDB is away")
    for kept in (Forbidden(), TooLarge("no"), FlowDefineNotFound("x"), FlowCallFailed(FlowErrorCode.CREATE_FAILED)):
        assert fail(kept) is kept
    assert {code.value for code in FlowErrorCode} == set(range(40100, 40108))
    for code in FlowErrorCode:
        assert FlowCallFailed(code).reason.startswith("workflow ")
