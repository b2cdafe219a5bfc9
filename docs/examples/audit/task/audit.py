"""An audit: gather facts about a host, and leave them as the task's output. It changes nothing, so it may run twice."""

import json
import os
import platform
import sys
from pathlib import Path


def main() -> None:
    """Write what an audit of the payload's host finds into the outfile."""
    host = json.loads(sys.argv[1])["host"]
    found = {
        "host": host["name"],
        "groups": host["groups"],
        "has_address": "address" in host["vars"],
        "audited_with": platform.python_version(),
    }
    Path(os.environ["EWMS_TASK_OUTFILE"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
