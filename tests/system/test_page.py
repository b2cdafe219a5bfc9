"""People use the web page in Debian's Chromium: by mouse and by keyboard alone, with the server there and away."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Route, expect

from deploy.local.system.stack import Stack
from ewms import Client
from tests.system.browser import PATIENCE_MS, Watched, open_page
from tests.system.conftest import CLUSTER, one_task
from tests.waiting import wait_until
from wms.gateway.page_routes import allow_issuer

pytestmark = pytest.mark.usefixtures("built_page")

PARTS = ["#/", "#/workflows", "#/processes", "#/processes?tab=start", "#/processes?tab=subscriptions",
         "#/trees", "#/trees?tab=runs", "#/trees?tab=approvals",
         "#/catalogue", "#/catalogue?tab=jobs", "#/catalogue?tab=inventories",
         "#/operators", "#/operators?tab=places", "#/operators?tab=stuck", "#/operators?tab=taskforces",
         "#/operators?tab=pools", "#/operators?tab=audit"]  # fmt: skip
#: Fails for the events that say so.
PICKY = 'grep -q BAD "$1" && { echo "cannot read BAD" >&2; exit 3; }; cp "$1" "$2"'


@pytest.fixture
def tab(context: BrowserContext, with_worker: Stack) -> Iterator[Watched]:
    """A signed-in tab. At its end nothing went wrong in it."""
    watched = open_page(context, with_worker.gateway)
    watched.open()
    watched.sign_in(with_worker.token)
    yield watched
    assert watched.faults == []
    assert watched.list_violations() == []


@pytest.fixture(scope="module")
def workflow(with_worker: Stack) -> str:
    """A workflow of which two events have failed for good."""
    with Client(with_worker.gateway, token=with_worker.token, cluster=CLUSTER, timeout=60) as ews:
        run = ews.submit(one_task(PICKY, n_workers=1))
        with run.queue("in").publisher() as publisher:
            for word in ["good", "BAD", "fine", "BAD too"]:
                publisher.send(word)
        return run.id


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_part_is_open_to_everybody_on_every_screen(tab: Watched, workflow: str, theme: str) -> None:
    if theme == "dark":
        tab.page.get_by_role("button", name="Use the dark theme").click()
    of_one = [f"#/workflows/{workflow}?tab={each}" for each in
              ("overview", "queues", "taskforces", "letters", "errors", "trace", "report", "request")]  # fmt: skip
    barriers = {}
    for address in [*PARTS, *of_one]:
        tab.page.set_viewport_size({"width": 1280, "height": 900})
        tab.open(address)
        expect(tab.page.locator(".loading")).to_have_count(0)
        if found := tab.list_barriers():
            barriers[address] = found
        tab.page.set_viewport_size({"width": 380, "height": 800})
        if tab.is_wider_than_screen():
            barriers[f"{address} on a phone"] = ["scrolls sideways"]
    assert barriers == {}


def test_a_scientist_sees_events_move_and_replays_dead_letters_by_keyboard_alone(tab: Watched, workflow: str) -> None:
    page = tab.page
    tab.open(f"#/workflows/{workflow}")
    box = page.locator(".graph g[tabindex]").first
    expect(page.get_by_text("2 dead letters")).to_be_visible(timeout=4 * PATIENCE_MS)
    # Tab leads from the top of the page into the graph, and Enter opens the box.
    page.get_by_role("link", name="Overview").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if box.evaluate("each => each === document.activeElement"):
            break
    else:
        pytest.fail("Tab never came to a box of the graph")
    before = page.locator(".graph svg").get_attribute("viewBox")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".graph svg").get_attribute("viewBox") != before
    tab.open(f"#/workflows/{workflow}?tab=letters")
    page.get_by_role("button", name="Show the events").press("Enter")
    page.locator("td button").first.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("cannot read BAD")
    page.get_by_role("link", name="Trace this event").press("Enter")
    expect(page.get_by_role("region", name="This event")).to_contain_text("It failed for good.")
    tab.open(f"#/workflows/{workflow}?tab=letters")
    page.get_by_role("button", name="Show the events").press("Enter")
    page.locator("td button").first.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("cannot read BAD")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Discard").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("cannot be taken back")
    page.get_by_role("dialog").get_by_role("button", name="Discard").press("Enter")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible(timeout=2 * PATIENCE_MS)


def test_a_scientist_publishes_checked_lines_and_looks_at_results_by_keyboard_alone(
    tab: Watched, workflow: str
) -> None:
    page = tab.page
    tab.open(f"#/workflows/{workflow}?tab=queues")
    lines = page.get_by_label("Events to publish, one JSON value on each line")
    lines.fill('"more"\nnot json')
    expect(page.get_by_text("Line 2 is not JSON")).to_be_visible()
    expect(page.get_by_role("button", name="Publish 2 events")).to_be_disabled()
    lines.fill('"more"\n"again"')
    page.get_by_role("button", name="Publish 2 events").press("Enter")
    expect(page.get_by_text("2 of 2 events published.")).to_be_visible(timeout=2 * PATIENCE_MS)
    page.get_by_label("Queue", exact=True).select_option("out")
    result = page.get_by_role("region", name="Events that wait in the queue").get_by_text("good")

    def sees_result() -> bool:
        page.get_by_role("button", name="Look").press("Enter")
        expect(page.locator(".loading")).to_have_count(0, timeout=2 * PATIENCE_MS)
        return result.is_visible()

    wait_until(sees_result, pause_s=1.0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").press("Enter")
    assert "good" in {json.loads(line).strip() for line in Path(download.value.path()).read_text().splitlines()}
    assert download.value.suggested_filename == "out.jsonl"


def test_while_the_server_is_killed_the_page_says_so_and_goes_on_by_itself(tab: Watched, with_worker: Stack) -> None:
    # The table of these has a hidden caption of the same words.
    expect(tab.page.get_by_text("workflows under way", exact=True)).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Under way")).to_be_visible()
    tab.open("#/workflows")
    # Home has a table, too.
    expect(tab.page.get_by_role("heading", name="Workflows", level=1)).to_be_visible()
    listed = tab.page.get_by_role("table").or_(tab.page.get_by_text("There are no workflows yet."))
    expect(listed).to_be_visible()
    with_worker.kill("wms")
    try:
        expect(tab.page.get_by_role("alert")).to_contain_text("The server does not answer.")
        expect(listed).to_be_visible()
    finally:
        with_worker.start("wms")
    expect(tab.page.get_by_role("alert")).to_have_count(0, timeout=2 * PATIENCE_MS)


def test_an_operator_drains_a_place_and_undrains_it(context: BrowserContext, with_worker: Stack) -> None:
    watched = open_page(context, with_worker.gateway)
    page = watched.page
    watched.open("#/operators?tab=places")
    watched.sign_in(with_worker.list_endpoints()["admin_token"])
    row = page.get_by_role("row").filter(has_text=CLUSTER)
    row.get_by_role("button", name="Drain").press("Enter")
    page.get_by_label("Reason, for users").fill("new disks")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("drained")
    expect(row).to_contain_text(": new disks")
    expect(row.get_by_role("status")).to_contain_text("No workers start there any more.")
    row.get_by_role("button", name="Undrain").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Undrain").press("Enter")
    expect(row.get_by_role("status")).to_contain_text("Workers start there again.")
    expect(row).to_contain_text("open")
    assert watched.faults == []


def test_a_place_that_an_operator_has_given_up_is_shown_as_lost(context: BrowserContext, with_worker: Stack) -> None:
    watched = open_page(context, with_worker.gateway)
    watched.open("#/operators?tab=places")
    watched.sign_in(with_worker.list_endpoints()["admin_token"])
    row = watched.page.get_by_role("row").filter(has_text=CLUSTER)
    expect(row).to_contain_text("open")
    with Client(with_worker.gateway, token=with_worker.list_endpoints()["admin_token"]) as operator:
        operator.operators.drain(CLUSTER, reason="a fire", is_lost=True)
        try:
            expect(row).to_contain_text("lost", timeout=2 * PATIENCE_MS)
            expect(row).to_contain_text(": a fire; its taskforces end")
        finally:
            operator.operators.undrain(CLUSTER)
    assert watched.faults == []


def test_a_part_whose_script_does_not_come_says_so(tab: Watched) -> None:
    # The scripts of all parts come a while after the sign-in; this one is asked for before.
    tab.page.route("**/assets/catalogue_parts-*.js", lambda route: route.abort())
    tab.open("#/catalogue")
    expect(tab.page.get_by_role("alert")).to_contain_text("The script of this part did not come.")
    expect(tab.page.get_by_role("button", name="Load the page again")).to_be_visible()


def test_an_expired_token_asks_for_another_one_and_shows_the_same_place(tab: Watched) -> None:
    tab.open("#/operators?tab=places")
    expect(tab.page.get_by_role("heading", name="Places where workers run")).to_be_visible()
    # The gateway refuses from now on, as it does when a token expires.
    tab.page.route(
        "**/v1/**", lambda route: route.fulfill(status=403, json={"code": 403, "error": "authentication failed"})
    )
    expect(tab.page.get_by_role("alert")).to_contain_text("Sign in again", timeout=2 * PATIENCE_MS)
    assert tab.page.url.endswith("#/operators?tab=places")


def test_each_tab_has_its_own_session_and_a_reload_forgets_the_token(
    tab: Watched, context: BrowserContext, with_worker: Stack
) -> None:
    other = open_page(context, with_worker.gateway)
    other.open("#/workflows")
    expect(other.page.get_by_label("Token")).to_be_visible()
    other.page.get_by_label("Token").fill("nonsense")
    other.page.keyboard.press("Enter")
    expect(other.page.get_by_role("alert")).to_contain_text("This is no token")
    other.sign_in(with_worker.token)
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_label("Token")).to_be_visible()
    expect(other.page.get_by_role("heading", name="Workflows")).to_be_visible()
    other.page.reload()
    expect(other.page.get_by_label("Token")).to_be_visible()
    assert context.cookies() == []
    assert other.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_all_tabs_of_a_browser_share_one_stream(context: BrowserContext, with_worker: Stack) -> None:
    tabs, token = [open_page(context, with_worker.gateway) for _ in range(2)], with_worker.token
    for watched in tabs:
        watched.open("#/operators?tab=stuck")
        watched.sign_in(token)
        expect(watched.page.get_by_text("The gateway’s stream of news is not there")).to_have_count(0)
    # The gateway may still close the streams of an earlier test.
    wait_until(lambda: count_streams(with_worker) == 1, within_s=60)
    tabs[0].page.get_by_role("button", name="Sign out").click()
    expect(tabs[0].page.get_by_label("Token")).to_be_visible()
    assert count_streams(with_worker) == 1
    tabs[1].page.close()
    wait_until(lambda: count_streams(with_worker) == 0, within_s=60)
    assert [each.faults for each in tabs] == [[], []]


def count_streams(stack: Stack) -> float:
    """Return how many streams of server-sent events the gateway has open."""
    metrics = httpx2.get(f"{stack.gateway}/metrics").text
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("ewms_streams_open"))


def test_a_person_without_roles_is_told_so(context: BrowserContext, with_worker: Stack) -> None:
    watched = open_page(context, with_worker.gateway)
    watched.open()
    watched.sign_in(with_worker.list_endpoints()["tokens"]["org-auditor"])
    watched.open("#/workflows")
    expect(watched.page.get_by_role("alert")).to_contain_text("You may not see the workflows")
    assert watched.list_barriers() == []


def test_the_policy_refuses_inline_scripts_and_other_servers(context: BrowserContext, with_worker: Stack) -> None:
    watched = open_page(context, with_worker.gateway)
    watched.open()
    watched.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ewmsInjected = true";
            document.body.append(script);
            return fetch("http://127.0.0.1:9/").catch(() => null);
        }"""
    )
    assert watched.page.evaluate("window.ewmsInjected") is None
    assert {each.removesuffix("-elem") for each in watched.list_violations()} == {"script-src", "connect-src"}


def test_people_sign_in_at_the_issuer_by_code_and_pkce(context: BrowserContext, with_worker: Stack) -> None:
    issuer, asked = "https://issuer.test", {}
    home = f"{with_worker.gateway}/ui/"

    def serve_document(route: Route) -> None:
        answer = route.fetch()
        headers = allow_issuer({"Content-Security-Policy": answer.headers["content-security-policy"]}, issuer)
        route.fulfill(response=answer, headers={**answer.headers, **{k.lower(): v for k, v in headers.items()}})

    def play_issuer(route: Route) -> None:
        url, cors = urlsplit(route.request.url), {"Access-Control-Allow-Origin": "*"}
        if url.path == "/authorize":
            asked.update(parse_qsl(url.query))
            back = f"{asked['redirect_uri']}?code=c0de&amp;state={asked['state']}"
            route.fulfill(content_type="text/html", body=f'<meta http-equiv="refresh" content="0;url={back}">')
        elif url.path == "/token":
            asked.update(parse_qsl(route.request.post_data or ""))
            route.fulfill(json={"access_token": with_worker.token}, headers=cors)
        else:
            places = {"authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token"}
            route.fulfill(json=places, headers=cors)

    config = {"issuer": issuer, "client_id": "ewms-page", "version": "0"}
    context.route(f"{home}config.json", lambda route: route.fulfill(json=config))
    context.route(re.compile(f"{re.escape(home)}([?].*)?$"), serve_document)
    context.route(f"{issuer}/**", play_issuer)
    watched = open_page(context, with_worker.gateway)
    watched.open("#/operators?tab=places")
    watched.page.get_by_role("button", name="Sign in with issuer.test").click()
    expect(watched.page.get_by_role("heading", name="Places where workers run")).to_be_visible()
    digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (asked["code"], asked["redirect_uri"]) == ("c0de", home)
    assert watched.page.url == f"{home}#/operators?tab=places"
    assert watched.list_violations() == []
