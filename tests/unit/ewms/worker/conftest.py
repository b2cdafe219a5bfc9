"""The offer of one step list."""

from collections.abc import Iterator

import pytest

from ewms.steps.definitions import add_definition, keep_definitions
from ewms.steps.registrations import keep_registrations
from ewms.worker.offers import Offer, load_offers
from schemas.ids import DefinitionHash
from tests.unit.ewms.worker import notes


@pytest.fixture
def offers() -> Iterator[dict[DefinitionHash, Offer]]:
    with keep_definitions(), keep_registrations():
        add_definition(notes.keep_notes)
        found = load_offers(["tests.unit.ewms.worker.notes"], "default")
        yield {key: offer for key, offer in found.items() if offer.sent.name == "keep_notes"}
