"""`make screenshots`: start the system with the examples, give it work, and photograph every part of the web page.

The pictures go to `.ewms/screenshots/<theme>-<part>.png`. A person looks at them; no test compares them.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import expect
from rich.console import Console

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from ewms import Client, Task, Workflow
from tests.page_objects import make_objects
from tests.system.browser import Watched, open_page, running_browser
from tests.waiting import wait_until

PICTURES = Path(".ewms") / "screenshots"
THEMES = ("light", "dark")
PARTS = {
    "processes": "#/processes",
    "start": "#/processes?tab=start",
    "trees": "#/trees",
    "catalogue": "#/catalogue",
    "operators": "#/operators",
    "places": "#/operators?tab=places",
    "stuck": "#/operators?tab=stuck",
    "audit": "#/operators?tab=audit",
    "runs": "#/trees?tab=runs",
    "jobs": "#/catalogue?tab=jobs",
    "inventories": "#/catalogue?tab=inventories",
    "subscriptions": "#/processes?tab=subscriptions",
}
OF_WORKFLOW = ("overview", "queues", "taskforces", "letters", "errors", "request")
#: Fails for a few events, so that there is something to see.
_READ = 'sleep 1; grep -q BAD "$1" && { echo "cannot read this line" >&2; exit 3; }; cp "$1" "$2"'
_FIT = 'sleep 2; cp "$1" "$2"'


def start_workflow(stack: Stack) -> str:
    """Start a workflow of two tasks with some events, of which a few fail. Return its id."""

    def make_task(script: str, source: str, target: str) -> Task:
        args = f"sh -ec '{script}' {source} {{{{INFILE}}}} {{{{OUTFILE}}}}"
        return Task(image="none", args=args, inputs=[source], outputs=[target], n_workers=2, memory="64M", disk="64M")

    wanted = Workflow(
        public=["photons", "tracks"], tasks=[make_task(_READ, "photons", "hits"), make_task(_FIT, "hits", "tracks")]
    )
    with Client(stack.gateway, token=stack.token, cluster="local", timeout=60) as ews:
        run = ews.submit(wanted)
        with run.queue("photons").publisher() as publisher:
            for number in range(120):
                publisher.send(f"BAD {number}" if number % 20 == 0 else f"photon {number}")
        return run.id


def take_pictures(stack: Stack, workflow: str, objects: Mapping[str, str]) -> None:
    """Photograph each part of the page in each theme: home and workflows as their user, the rest as an admin.

    `objects` are more addresses, by the names of their pictures.
    """
    of_user = {"home": "#/", "workflows": "#/workflows"}
    of_user |= {f"workflow-{tab}": f"#/workflows/{workflow}?tab={tab}" for tab in OF_WORKFLOW}
    admin = stack.list_endpoints()["tokens"]["org-admin"]
    with tempfile.TemporaryDirectory() as scratch, running_browser(Path(scratch)) as browser:
        for theme in THEMES:
            for token, parts in ((stack.token, of_user), (admin, {**PARTS, **objects})):
                context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme)
                watched = open_page(context, stack.gateway)
                watched.open()
                watched.sign_in(token)
                for name, address in parts.items():
                    take_picture(watched, address, PICTURES / f"{theme}-{name}.png")
                context.close()


def take_picture(watched: Watched, address: str, target: Path) -> None:
    """Photograph a part of the page, once it has loaded and its plots have a line."""
    watched.open(address)
    expect(watched.page.locator(".loading")).to_have_count(0)
    watched.page.wait_for_timeout(9_000 if address == "#/" or address.endswith("tab=queues") else 1_000)
    watched.page.screenshot(path=str(target), full_page=True)


def main() -> int:
    """Start the system, and take the pictures."""
    console = Console(stderr=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with (
        run_directory() as run,
        running_stack(installed, run, pool="local", environment=os.environ, with_examples=True) as stack,
    ):
        workflow = start_workflow(stack)
        with Client(stack.gateway, token=stack.token, cluster="local", timeout=60) as ews:
            wait_until(lambda: ews.run(workflow).failures.groups().groups, within_s=120)
        take_pictures(stack, workflow, make_objects(stack))
    sys.stdout.write(f"the pictures are in {PICTURES}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
