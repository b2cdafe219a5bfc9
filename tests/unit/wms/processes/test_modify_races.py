"""Modifies of one subscription at the same time, in every order of their reads and commits: one at a time has it.

A modify locks the subscription (it must be in sync), changes it, and unlocks it. Each step reads it, and commits with
the version that it has read.
"""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.decision import Update
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument
from wms.engine.brought import StepRefused
from wms.processes.subscriptions.commit_plan import StoredAround, plan_subscriptions

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ID = UUID(int=1)
STEPS = ("lock", "change", "unlock")


class Modify:
    """One process that modifies the subscription."""

    def __init__(self) -> None:
        self.n_cleared = 0
        self.read: SubscriptionDocument | None = None
        self.has_failed = False

    @property
    def has_lock(self) -> bool:
        return 0 < self.n_cleared < len(STEPS)

    def bring(self) -> SubscriptionDocument | None:
        """Return what the step makes of what it has read; None: the step refuses it."""
        assert self.read is not None
        match STEPS[self.n_cleared]:
            case "lock" if not self.read.insync:
                return None
            case "change":
                return self.read.model_copy(update={"values": {"n": self.read.values.get("n", 0) + 1}})
            case step:
                return self.read.model_copy(update={"insync": step == "unlock"})


def store(brought: SubscriptionDocument, stored: SubscriptionDocument) -> SubscriptionDocument | None:
    """Return the subscription after the commit of a step; None: the commit is refused."""
    try:
        [change] = plan_subscriptions([brought], StoredAround(subscriptions={ID: stored}), NOW)
    except StepRefused:
        assert brought.version != stored.version
        return None
    assert isinstance(change, Update)
    assert change.rev == stored.version
    return brought.model_copy(update={"version": stored.version + 1})


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["read", "commit"])), max_size=40))
def test_whatever_the_order_of_reads_and_commits_one_modify_at_a_time_has_the_subscription(
    acts: list[tuple[int, str]],
) -> None:
    product = ProductDocument(product_id=UUID(int=99), name="Node", tag="Node")
    stored = SubscriptionDocument(subscription_id=ID, product=product, customer_id="c", version=1, insync=True)
    modifies = [Modify() for _ in range(3)]
    n_stored: Counter[str] = Counter()
    for number, act in acts:
        modify = modifies[number]
        if modify.has_failed or modify.n_cleared == len(STEPS):
            continue
        if act == "read":
            modify.read = stored
        elif modify.read is not None:
            brought = modify.bring()
            after = None if brought is None else store(brought, stored)
            modify.read = None
            if after is None:
                assert not modify.has_lock, "who has locked it is disturbed by nobody"
                modify.has_failed = True
                continue
            n_stored[STEPS[modify.n_cleared]] += 1
            stored = after
            modify.n_cleared += 1
        assert sum(one.has_lock for one in modifies) == (not stored.insync)
    assert stored.version == 1 + n_stored.total()
    assert stored.values.get("n", 0) == n_stored["change"], "no change is lost"
