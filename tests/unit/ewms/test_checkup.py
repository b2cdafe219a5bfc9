"""What the doctor finds about versions."""

import pytest

from ewms.checkup import compare_service
from schemas.api.services import ServiceSeen


@pytest.mark.parametrize(
    ("version", "is_well", "is_tried"), [("1.2.3", True, True), ("1.2.2", False, True), (None, True, False)]
)
def test_a_service_must_have_the_version_of_its_gateway(version: str | None, is_well: bool, is_tried: bool) -> None:
    seen = ServiceSeen(service="tms", schedd="osg", version=version, problem="" if version else "no answer in time")
    found = compare_service(seen, "1.2.3")
    assert (found.what, found.is_well, found.is_tried) == ("version of tms at osg", is_well, is_tried)
    assert bool(found.remedy) is not is_well
