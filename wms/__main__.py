"""`python -m wms`: workflow management with its gateway, readable from the environment alone."""

from runtime.process import run
from wms.app import wms
from wms.settings import Settings

if __name__ == "__main__":
    run(lambda: wms(Settings()), service="wms")
