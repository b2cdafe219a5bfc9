"""Ids in queries: whole, or refused. None is cut to a shorter one."""

import pytest

from schemas.errors import Rejected
from wms.gateway.awx.shapes.job_words import write_definition


def test_the_id_of_a_template_becomes_the_name_of_its_definition() -> None:
    assert write_definition("17") == "template/17"
    assert write_definition("1000000000000000") == "template/1000000000000000"


@pytest.mark.parametrize("text", ["1000000000000001", "12345678901234567", "0", "", "x", "-1", "1.0", "²", "9" * 5000])
def test_what_no_template_can_have_as_its_id_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="is no id of a template"):
        write_definition(text)
