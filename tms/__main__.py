"""`python -m tms`: the task management service of one schedd. It takes all settings from the environment."""

from runtime.process import run
from tms.app import tms
from tms.settings import Settings

if __name__ == "__main__":
    run(lambda: tms(Settings()), service="tms")
