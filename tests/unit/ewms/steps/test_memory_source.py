"""A test's memory is a source of subscriptions like any other."""

from collections.abc import Callable

import pytest

from ewms.steps import register_product, register_workflow
from ewms.steps.testing import MemorySubscriptions
from tests.source_conformance import CHECKS, PRODUCTS, WORKFLOW, SourceWorld


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_memory_conforms(check: Callable[[SourceWorld], None]) -> None:
    for product in PRODUCTS:
        register_product(
            product.name, tag=product.tag, product_type=product.product_type, product_id=product.product_id
        )
    register_workflow(name=WORKFLOW, target="MODIFY", tag="Node", search_phrase="Node Enrollment%")
    memory = MemorySubscriptions()
    check(SourceWorld(memory, memory.commit))
