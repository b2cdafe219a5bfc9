"""Debian's Chromium for tests of the web page: downloaded once, driven by playwright, watched for faults."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from rich.console import Console

from deploy.local.fetch import packages
from deploy.local.fetch.cache import cache_directory, prepare_cache
from tests.waiting import holds_within

#: Without these, Chromium as root does not start, and asks for hosts outside at every start.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 60_000

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""

# Chromium writes a violation of the content policy to the console too, but a page may not see that.
_WATCH_POLICY = """
window.ewmsViolations = [];
document.addEventListener("securitypolicyviolation", (event) => window.ewmsViolations.push(event.violatedDirective));
"""


@dataclass
class Watched:
    """A page, and what went wrong in it."""

    page: Page
    base: str
    #: Errors of scripts, and errors on the console that are no refused request.
    faults: list[str] = field(default_factory=list)

    def open(self, address: str = "#/") -> None:
        """Go to a part of the page."""
        self.page.goto(f"{self.base}/ui/{address}")

    def sign_in(self, token: str) -> None:
        """Type the token, as a person does."""
        self.page.get_by_label("Token").fill(token)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("navigation", name="Parts", exact=True).wait_for()

    def list_violations(self) -> list[str]:
        """Return the violations of the content policy."""
        found: list[str] = self.page.evaluate("window.ewmsViolations")
        return found

    def list_barriers(self) -> list[str]:
        """Return what axe finds that keeps people out."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]

    def is_wider_than_screen(self) -> bool:
        """Return whether a person would have to scroll sideways, also once plots have had time to shrink."""
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"
        return not holds_within(lambda: self.page.evaluate(fits), 5)

    def note_message(self, message: ConsoleMessage) -> None:
        """Keep an error of the console. Chromium also writes each refused request there, which is no fault."""
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)


@contextmanager
def running_browser(directory: Path) -> Iterator[Browser]:
    """Run Chromium during the block. `directory` is for its list of fonts."""
    installed = prepare_cache(
        cache_directory(os.environ),
        Console(stderr=True),
        (packages.BROWSER,),
        mirror=os.environ.get("EWMS_DEBIAN_MIRROR"),
    )
    tree = installed.trees[packages.BROWSER.name]
    fonts = directory / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=tree / "usr/share/fonts", cache=directory / "fonts"))
    environment = {
        **os.environ,
        "FONTCONFIG_FILE": str(fonts),
        "LD_LIBRARY_PATH": str(tree / "usr/lib/x86_64-linux-gnu/pulseaudio"),
        "HOME": str(directory),
    }
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(tree / "usr/lib/chromium/chromium"),
            args=list(FLAGS),
            env=environment,
            timeout=PATIENCE_MS,
        )
        yield browser
        browser.close()


def open_page(context: BrowserContext, base: str) -> Watched:
    """Return a new tab, whose faults are kept."""
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH_POLICY)
    watched = Watched(context.new_page(), base)
    watched.page.on("console", watched.note_message)
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    return watched
