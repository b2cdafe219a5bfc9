"""schemathesis over the OpenAPI document of each dialect: whatever it sends, the answers are those of the document."""

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

from deploy.local.stack import Stack
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.removeprefix("/docs/"))
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("share", range(N_SHARES))
def test_the_gateway_keeps_what_its_documents_promise(
    contract_stack: Stack, world: World, subtests: pytest.Subtests, mode: GenerationMode, path: str, share: int
) -> None:
    document = schemathesis.openapi.from_dict(world.http.get(path).json())
    document.config.update(base_url=contract_stack.gateway)
    # A stream of events has no end. Without this each call of one reads on until a time limit, 10 s later.
    document.config.max_stream_events = 1
    made = world.submit()
    there = {
        "workflow_id": made["workflow"]["workflow_id"],
        "task_id": made["task_directives"][0]["task_id"],
        "taskforce_uuid": made["taskforces"][0]["taskforce_uuid"],
    }
    for found in list(document.get_all_operations())[share::N_SHARES]:
        operation: Any = found.ok()
        role = next((role for part, role in ROLE_OF.items() if part in operation.path), "user")
        caller = world.user if role == "user" else world.caller(role, "fuzz", **CLAIMS_OF.get(role, {}))
        # What takes nothing cannot be called wrongly.
        with subtests.test(operation.label), suppress(Unsatisfiable):
            part = _OWN_PART if path == swagger_page.DOCUMENT_PATH else _OTHER_PART
            try:
                _fuzz(operation, mode, dict(caller.headers), there, part=part)
            finally:
                if operation.label == _LOCK:
                    _open_lock(operation, dict(caller.headers))


def _fuzz(operation: Any, mode: GenerationMode, headers: dict[str, str], there: dict[str, str], *, part: float) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    # For each operation and mode, under one prefix, since both prefixes have the same handlers.
    @settings(FUZZ, max_examples=part_of_examples(part))
    def send(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:
            _about(case, there)
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    send()


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
