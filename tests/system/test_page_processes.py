"""A person looks at subscriptions on the web page."""

import pytest
from playwright.sync_api import BrowserContext, expect

from deploy.local.system.stack import Stack
from ewms import Client
from tests.page_objects import enroll_node
from tests.system.browser import open_page

pytestmark = pytest.mark.usefixtures("built_page")


def test_a_subscription_says_what_may_start_on_it_and_why_the_others_may_not(
    context: BrowserContext, with_worker: Stack
) -> None:
    token = with_worker.list_endpoints()["tokens"]["org-admin"]
    with Client(with_worker.gateway, token=token, timeout=60) as admin:
        _, subscription = enroll_node(admin)
        terminate = admin.processes.start("terminate_node_enrollment", pages=[{"subscription_id": subscription}])
        terminate.wait(timeout=60)
    watched = open_page(context, with_worker.gateway)
    watched.open(f"#/processes/subscriptions/{subscription}")
    watched.sign_in(token)
    reasons = watched.page.get_by_role("region", name="What may start on it")
    expect(reasons).to_contain_text("modify_node_enrollment: may not start: the subscription is terminated")
    expect(reasons).to_contain_text("Bring the subscription to one of these lifecycles first")
    expect(reasons).to_contain_text("workflow(s) may start on it")
    assert watched.list_barriers() == []
    assert watched.faults == []
    assert watched.list_violations() == []
