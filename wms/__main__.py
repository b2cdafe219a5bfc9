"""`python -m wms`: run workflow management with its gateway. All settings come from the environment."""

from runtime.process import run_process
from wms.app import run_wms
from wms.settings import WmsSettings

if __name__ == "__main__":
    run_process(lambda: run_wms(WmsSettings()), service="wms")
