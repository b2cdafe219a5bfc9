"""schemathesis over the OpenAPI document of each dialect: whatever it sends, the answers are those of the document."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.requests import ManagedCookiesSession

from deploy.local.system.stack import Stack
from runtime.web.docs import swagger_page
from tests.contract.conformance.world import World
from tests.examples import part_of_examples
from tests.fuzz.conftest import FUZZ
from wms.gateway.catalogue import list_bare_dialects

#: The operations of a document are dealt out to so many tests: on a slow machine one would exceed a test's time limit.
N_SHARES = 3

#: How many examples each operation and mode gets, as a part of the profile's. In `make test` those are 6 for our own
#: dialect, and 2 for the others: these have four fifths of all operations, and share the frame of their handlers.
_OWN_PART, _OTHER_PART = 0.12, 0.04

#: A locked engine refuses orders with 503, so the lock is opened again.
_LOCK = "PUT /api/settings/status"

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

#: Part of a path -> who may call it; everything else is a user's.
ROLE_OF = {
    "/tms/": "system-tms",
    "/mq-group": "system-wms",
    "/mq-profiles/{mqid}": "system-wms",
    "/organizations": "superuser",
    # The other dialects are below /api.
    "/api": "superuser",
}

#: The claims of roles that the contract does not have.
CLAIMS_OF = {"superuser": {"ewms_role": "superuser"}}

#: Where the documents are: ours, and that of each other dialect.
DOCUMENTS = [
    swagger_page.DOCUMENT_PATH,
    *(swagger_page.name_document(dialect.name) for dialect, routes in list_bare_dialects() if routes),
]


def not_a_defect(_: Any, response: Any, case: schemathesis.Case) -> None:
    """Check that no answer tells of a defect, or of a service that is away.

    The dialect "tiuni" answers some requests with 500 and a code of its own on purpose (contract T19).
    """
    if response.status_code >= 500 and response.json()["code"] < 40_000:
        not_a_server_error(_, response, case)


CHECKS = [not_a_defect, status_code_conformance, content_type_conformance, response_schema_conformance]


class Document:
    """The document of a dialect, its operations, and the cases that were drawn for them.

    Operations that take the same things get the same cases, since hypothesis draws the same for equal strategies. So
    we draw them once for all operations of a shape: for nine tenths of AWX's operations they are there already.
    """

    def __init__(self, written: dict[str, Any], base_url: str) -> None:
        schema = schemathesis.openapi.from_dict(written)
        schema.config.update(base_url=base_url)
        # A stream of events has no end. Without this each call of one reads on until a time limit, 10 s later.
        schema.config.max_stream_events = 1
        self.operations: list[Any] = [found.ok() for found in schema.get_all_operations()]
        self._written = written
        self.drawn: dict[tuple[str, GenerationMode], list[schemathesis.Case]] = {}

    def list_cases(self, operation: Any, mode: GenerationMode, part: float) -> list[schemathesis.Case]:
        """Return a `part` of the profile's number of cases of `operation`, or fewer, if there are no more."""
        # A run that looks further draws others for each operation.
        shape = self._describe_shape(operation) if FUZZ.derandomize else operation.label
        if (shape, mode) not in self.drawn:
            self.drawn[shape, mode] = draw_cases(operation, mode, part)
        return [_make_case(operation, case) for case in self.drawn[shape, mode]]

    def _describe_shape(self, operation: Any) -> str:
        path = self._written["paths"][operation.path]
        method = path[operation.method]
        return json.dumps(
            [path.get("parameters"), *(method.get(part) for part in ("parameters", "requestBody", "security"))]
        )


def draw_cases(operation: Any, mode: GenerationMode, part: float) -> list[schemathesis.Case]:
    """Return what hypothesis draws for `operation`. What takes nothing cannot be called wrongly: then it is nothing."""
    drawn: list[schemathesis.Case] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(FUZZ, max_examples=part_of_examples(part))
    def draw(case: schemathesis.Case) -> None:
        drawn.append(case)

    with suppress(Unsatisfiable):
        draw()
    return drawn


def _make_case(operation: Any, drawn: schemathesis.Case) -> schemathesis.Case:
    """Return `drawn` as a case of another operation, which takes the same things."""
    case: schemathesis.Case = operation.Case(
        path_parameters=dict(drawn.path_parameters),
        headers=drawn.headers.copy(),
        cookies=dict(drawn.cookies),
        query=dict(drawn.query),
        body=drawn.body,
        media_type=drawn.media_type,
        multipart_content_types=drawn.multipart_content_types,
        # A call writes into it.
        _meta=copy.deepcopy(drawn.meta),
    )
    return case


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    """The documents that tests of this module have read, by their paths."""
    return {}


@pytest.fixture(scope="module")
def session() -> Iterator[ManagedCookiesSession]:
    """A connection for all calls, which forgets the cookies of each."""
    with ManagedCookiesSession() as opened:
        yield opened


# `make fuzz` chooses by this mark. hypothesis sets it only on tests that are drawn as a whole.
@pytest.mark.hypothesis
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.removeprefix("/docs/"))
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("share", range(N_SHARES))
def test_the_gateway_keeps_what_its_documents_promise(
    contract_stack: Stack,
    world: World,
    documents: dict[str, Document],
    session: ManagedCookiesSession,
    subtests: pytest.Subtests,
    mode: GenerationMode,
    path: str,
    share: int,
) -> None:
    if path not in documents:
        documents[path] = Document(world.http.get(path).json(), contract_stack.gateway)
    # For each operation and mode, under one prefix, since both prefixes have the same handlers.
    part = _OWN_PART if path == swagger_page.DOCUMENT_PATH else _OTHER_PART
    made = world.submit()
    there = {
        "workflow_id": made["workflow"]["workflow_id"],
        "task_id": made["task_directives"][0]["task_id"],
        "taskforce_uuid": made["taskforces"][0]["taskforce_uuid"],
    }
    for operation in documents[path].operations[share::N_SHARES]:
        role = next((role for part, role in ROLE_OF.items() if part in operation.path), "user")
        caller = world.user if role == "user" else world.caller(role, "fuzz", **CLAIMS_OF.get(role, {}))
        headers = dict(caller.headers)
        with subtests.test(operation.label):
            try:
                for case in documents[path].list_cases(operation, mode, part):
                    if mode is GenerationMode.POSITIVE:
                        _about(case, there)
                    case.validate_response(case.call(session=session, headers=headers), checks=CHECKS)
            finally:
                if operation.label == _LOCK:
                    _open_lock(operation, headers)


def _open_lock(operation: Any, headers: dict[str, str]) -> None:
    answer = operation.Case(body={"global_lock": False}, media_type="application/json").call(headers=headers)
    assert answer.status_code == 200, answer.text


def _about(case: schemathesis.Case, there: dict[str, str]) -> None:
    """Have `case` look at what is there: a good request gets an answer then, whose schema can be wrong, and no 404."""
    # The logs lie at an access point, and here is none.
    if case.method == "GET" and "/logs" not in case.path:
        case.path_parameters.update({name: there[name] for name in case.path_parameters.keys() & there.keys()})
    elif "/query/" in case.path and isinstance(case.body, dict):
        case.body = {**case.body, "query": {"workflow_id": there["workflow_id"]}}


def test_operations_that_take_the_same_get_the_cases_that_hypothesis_draws_for_each(contract_stack: Stack) -> None:
    number = {"type": "integer", "minimum": 1}
    taken = [{"name": "id", "in": "path", "required": True, "schema": number}]
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": {"n": number}}}}}
    answers = {"responses": {"200": {"description": "done"}}}
    methods = {
        "get": {**answers, "parameters": taken},
        "put": {**answers, "parameters": taken, "requestBody": body},
    }
    written = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {"/a/{id}": methods, "/b/{id}": methods},
    }
    document = Document(written, contract_stack.gateway)
    for mode in MODES:
        for operation in document.operations:
            cases = document.list_cases(operation, mode, _OWN_PART)
            assert {case.operation.label for case in cases} == {operation.label}
            # A run that looks further draws others each time.
            if FUZZ.derandomize:
                assert list(map(_tell, cases)) == list(map(_tell, draw_cases(operation, mode, _OWN_PART)))
                assert len(cases) == 6
    assert len(document.drawn) == len(MODES) * (2 if FUZZ.derandomize else 4)


def _tell(case: schemathesis.Case) -> Any:
    return case.path_parameters, case.query, dict(case.headers), case.cookies, case.body, case.media_type
