"""Which workflows the database is asked for, for the list of a caller."""

from wms.fleet.ownership import Access
from wms.insight.workflow_feed import select_news


def test_the_database_selects_what_a_caller_may_see() -> None:
    mine, recent = select_news(Access("ada"), 5.0)["$and"]
    assert mine == {"owner": "ada"}
    assert recent == {"$or": [{"over_at": {"$type": "null"}}, {"deactivated_ts": {"$gte": 5.0}}]}
    assert select_news(Access("root", everything=True), 5.0) == recent
