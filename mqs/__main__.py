"""`python -m mqs`: the message queue service, readable from the environment alone."""

from mqs.app import mqs
from mqs.settings import Settings
from runtime.process import run

if __name__ == "__main__":
    run(lambda: mqs(Settings()), service="mqs")
