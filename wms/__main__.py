"""`python -m wms`: run workflow management with its gateway. All settings come from the environment."""

from runtime.process import run
from wms.app import wms
from wms.settings import Settings

if __name__ == "__main__":
    run(lambda: wms(Settings()), service="wms")
