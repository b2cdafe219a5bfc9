"""An engineer builds trees on the web page, launches and schedules them."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from deploy.local.system.stack import Stack
from tests.system.browser import Watched, open_page

pytestmark = pytest.mark.usefixtures("built_page")


@pytest.fixture
def engineer(context: BrowserContext, with_worker: Stack) -> Iterator[Watched]:
    """A tab of an admin of the organization, at the list of trees. At its end nothing went wrong in it."""
    watched = open_page(context, with_worker.gateway)
    watched.open("#/trees")
    watched.sign_in(with_worker.list_endpoints()["tokens"]["org-admin"])
    yield watched
    assert watched.list_barriers() == []
    assert watched.faults == []
    assert watched.list_violations() == []


def make_tree(page: Page, name: str, *nodes: str) -> None:
    """Make a template whose nodes are approvals, each after the one before, by the keyboard alone."""
    page.get_by_role("button", name="New template").press("Enter")
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")
    for node in nodes:
        page.get_by_label("Runs").select_option(label="(an approval by a person)")
        page.get_by_label("Name").fill(node)
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name=f"Node {node}")).to_be_visible()


def test_an_engineer_builds_a_tree_launches_it_and_approves(engineer: Watched) -> None:
    page = engineer.page
    make_tree(page, "by hand", "build", "sign")
    box = {each: page.get_by_role("button", name=re.compile(f"^Node {each}")) for each in ("build", "sign")}
    # A circle is refused at its edge, by the keyboard ...
    page.get_by_label("After its success, run").select_option(label="build")
    page.get_by_role("button", name="Connect").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The edge from sign to build by success is refused. cycle")
    expect(page.locator(".graph").get_by_text("refused: cycle")).to_be_visible()
    # ... and another edge is removed, and drawn by the mouse.
    page.get_by_role("button", name="Remove the edge from build to sign").press("Enter")
    expect(page.locator(".graph path.edge")).to_have_count(0)
    page.get_by_label("failure").check()
    box["build"].drag_to(box["sign"])
    expect(page.locator(".graph .edge-label")).to_have_text("failure")
    page.get_by_role("link", name="Launch").press("Enter")
    page.get_by_role("button", name="Launch").press("Enter")
    page.get_by_role("button", name="Deny").press("Enter")
    page.get_by_role("dialog").get_by_label("Comment").fill("not yet")
    page.keyboard.press("Enter")
    expect(page.get_by_text("after failure of build (failed)")).to_be_visible()
    page.get_by_role("button", name="Approve").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Approve").press("Enter")
    expect(page.locator("h1 + .spacer + .badge")).to_have_text("successful")


def test_an_engineer_changes_a_node_in_place_and_sees_refusals_at_it(engineer: Watched, with_worker: Stack) -> None:
    page = engineer.page
    headers = {"Authorization": f"Bearer {with_worker.list_endpoints()['tokens']['org-admin']}"}
    with httpx2.Client(base_url=f"{with_worker.gateway}/api/v2", headers=headers, timeout=60) as api:
        make_tree(page, "leaf")
        expect(page).to_have_url(re.compile("templates/[0-9]+$"))
        asks = {f"ask_{each}_on_launch": True for each in ("variables", "limit", "labels")}
        api.patch(f"/workflow_job_templates/{page.url.rsplit('/', 1)[1]}/", json=asks).raise_for_status()
        engineer.open("#/trees")
        make_tree(page, "outer", "first")
        page.get_by_role("button", name="Change the node").press("Enter")
        page.get_by_label("It runs").select_option(label="outer")
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("The change of first is refused.")
        expect(page.locator(".graph").get_by_text("refused: recursion")).to_be_visible()
        page.get_by_label("It runs").select_option(label="leaf")
        page.get_by_label("Its name").fill("compile")
        page.get_by_label("Its variables").fill("version: 2")
        page.get_by_label("Limit of hosts").fill("web")
        page.get_by_label("Fails after seconds (empty: never)").fill("900")
        expect(page.get_by_label("Tags to run")).to_have_count(0)
        page.keyboard.press("Enter")
        panel = page.get_by_role("region", name="Node compile")
        expect(panel).to_contain_text("leaf")
        expect(page.get_by_role("alert")).to_have_count(0)
        page.get_by_label("Give its job the label").fill("nightly")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Remove the label nightly")).to_be_visible()
        template = page.url.rsplit("/", 1)[1]
        [node] = api.get(f"/workflow_job_templates/{template}/workflow_nodes/").json()["results"]
        assert (node["identifier"], node["extra_data"], node["limit"]) == ("compile", {"version": 2}, "web")
        assert node["timeout"] == 900
        [label] = api.get(f"/workflow_job_template_nodes/{node['id']}/labels/").json()["results"]
        assert label["name"] == "nightly"
        page.get_by_role("button", name="Remove the label nightly").press("Enter")
        expect(page.get_by_role("button", name="Remove the label nightly")).to_have_count(0)
        page.get_by_label("It runs").select_option(label="(an approval by a person)")
        page.get_by_label("Its approval is called").fill("Sign it")
        page.keyboard.press("Enter")
        expect(panel).to_contain_text("approval: Sign it")
        [now] = api.get(f"/workflow_job_templates/{template}/workflow_nodes/").json()["results"]
        assert now["id"] == node["id"]


def test_a_schedule_shows_its_next_runs_is_paused_and_deleted(engineer: Watched) -> None:
    page = engineer.page
    make_tree(page, "nightly")
    page.get_by_role("link", name="Schedules").click()
    page.get_by_label("Name").fill("at night")
    page.get_by_label("First run").fill("2031-03-01T02:30")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Show the next runs").click()
    expect(page.get_by_text("2031-03-01 02:30:00+01:00, 2031-03-02 02:30:00+01:00")).to_be_visible()
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_role("cell", name="active")).to_be_visible()
    page.get_by_role("button", name="Why at night").press("Enter")
    reasons = page.get_by_role("region", name="Why “at night” stands as it does")
    expect(reasons).to_contain_text("the next occurrence is at 2031-03-01")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("cell", name="paused")).to_be_visible()
    expect(reasons).to_contain_text("it is disabled, so it launches nothing")
    assert re.search("[?&]schedule=[0-9]+", page.url), "a link shows the same reasons"
    page.get_by_role("cell").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No schedule launches this template.")).to_be_visible()
