"""`python -m tms`: run the task management service of one schedd. All settings come from the environment."""

from runtime.process import run_process
from tms.app import run_tms
from tms.settings import TmsSettings

if __name__ == "__main__":
    run_process(lambda: run_tms(TmsSettings()), service="tms")
