"""A rehearsal with two products, and a step's scope."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from ewms.steps import (
    register_product,
)
from ewms.steps.step_scope import StepScope
from ewms.steps.testing import Rehearsal


@pytest.fixture
def products(rehearsal: Rehearsal) -> dict[str, UUID]:
    node = register_product("Core Node", tag="Node", product_type="Node")
    link = register_product("Link 10G", tag="Link", product_type="Link", fixed_inputs={"speed": 10000, "colour": "red"})
    return {"node": node.product_id, "link": link.product_id}


@pytest.fixture
def scope(rehearsal: Rehearsal) -> Iterator[StepScope]:
    with rehearsal.open_scope() as opened:
        yield opened
