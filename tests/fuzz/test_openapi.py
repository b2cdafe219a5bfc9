"""schemathesis over our own OpenAPI document: whatever it sends, the answers are those that the document promises."""

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
from tests.contract.conformance.world import World
from tests.fuzz.conftest import FUZZ

#: For each operation and mode, under one prefix, since both have the same handlers; all in well under a minute.
N_EXAMPLES = {GenerationMode.POSITIVE: 15, GenerationMode.NEGATIVE: 15}

#: Part of a path -> who may call it; everything else is a user's.
ROLE_OF = {"/tms/": "system-tms", "/mq-group": "system-wms", "/mq-profiles/{mqid}": "system-wms"}

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", N_EXAMPLES, ids=lambda mode: mode.value)
def test_the_gateway_keeps_what_its_document_promises(
    contract_stack: Stack, world: World, subtests: pytest.Subtests, mode: GenerationMode
) -> None:
    document = schemathesis.openapi.from_dict(world.user.get("/schema/openapi").json())
    document.config.update(base_url=contract_stack.gateway)
    for found in document.get_all_operations():
        operation: Any = found.ok()
        role = next((role for part, role in ROLE_OF.items() if part in operation.path), "user")
        # What takes nothing cannot be called wrongly.
        with subtests.test(operation.label), suppress(Unsatisfiable):
            _fuzz(operation, mode, dict(world.caller(role, "fuzz").headers))


def _fuzz(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(FUZZ, max_examples=N_EXAMPLES[mode])
    def send(case: schemathesis.Case) -> None:
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    send()
