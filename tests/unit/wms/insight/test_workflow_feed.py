"""Which workflows the database is asked for, for the list of a caller, and what is made of them."""

import copy
from types import SimpleNamespace
from typing import Any, cast

from runtime.kernel.store import Store
from wms.fleet.ownership import Access
from wms.insight.workflow_feed import NewsReader, select_news


async def test_only_workflows_that_changed_are_described_again() -> None:
    rows = [{"_id": f"WF-{n}", "timestamp": float(n), "priority": 50} for n in (3, 2, 1)]

    async def find(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return copy.deepcopy(rows)

    reader = NewsReader(cast(Store, SimpleNamespace(find=find)), Access("root", everything=True))
    before = await reader.read_list()
    rows[1]["priority"] = 60
    del rows[2]
    after = await reader.read_list()
    assert [item.workflow_id for item in after.items] == ["WF-3", "WF-2"]
    assert after.items[0] is before.items[0]
    assert '"priority":60' in after.items[1].data
    assert after.id != before.id
    assert (await reader.read_list()).id == after.id


def test_the_database_selects_what_a_caller_may_see() -> None:
    mine, recent = select_news(Access("ada"), 5.0)["$and"]
    assert mine == {"owner": "ada"}
    assert recent == {"$or": [{"over_at": {"$type": "null"}}, {"deactivated_ts": {"$gte": 5.0}}]}
    assert select_news(Access("root", everything=True), 5.0) == recent
