"""`python -m mqs`: run the message queue service. All settings come from the environment."""

from mqs.app import run_mqs
from mqs.settings import MqsSettings
from runtime.process import run_process

if __name__ == "__main__":
    run_process(lambda: run_mqs(MqsSettings()), service="mqs")
