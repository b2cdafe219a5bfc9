"""Which modules a step worker refuses to offer."""

import sys
from typing import Any

import pytest

from ewms.steps import begin, step
from ewms.steps.definitions import keep_definitions
from ewms.worker.offers import Offer, load_offers
from schemas.errors import Rejected
from schemas.ids import DefinitionHash


def test_o9_a_module_that_cannot_be_imported_is_told(offers: dict[DefinitionHash, Offer]) -> None:
    with pytest.raises(Rejected, match=r"the module 'no\.such' cannot be imported: ModuleNotFoundError"):
        load_offers(["no.such"], "default")


def test_two_definitions_of_one_name_are_refused(
    offers: dict[DefinitionHash, Offer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def clash(name: str) -> Any:
        from ewms.steps import task

        def keep_notes() -> Any:
            return begin >> step("Other")(lambda: None)

        return task(keep_notes)

    monkeypatch.setattr("importlib.import_module", clash)
    with pytest.raises(Rejected, match="keep_notes is defined twice"):
        load_offers(["clashing"], "default")


def test_a_module_without_definitions_is_told() -> None:
    with keep_definitions():
        from ewms.steps import definitions

        definitions._DEFINITIONS.clear()
        with pytest.raises(Rejected, match="no workflow is defined in json"):
            load_offers(["json"], "default")
    assert "json" in sys.modules
