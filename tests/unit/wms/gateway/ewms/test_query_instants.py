"""Which instants a query may have."""

import pytest

from schemas.errors import Rejected
from wms.gateway.ewms.query_instants import parse_instant


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-12-31T00:00:00Z"])
def test_an_extreme_instant_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="'since': must be in the years 1971 to 9998"):
        parse_instant("since", text)
