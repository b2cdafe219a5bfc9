"""Do one step of the maintenance on the host that the payload names: `act.py STEP PAYLOAD`."""

import json
import sys
import urllib.error
import urllib.request


def main() -> int:
    """Do the step; return 0 if the host has done it, and 1 if it refuses."""
    step, host = sys.argv[1], json.loads(sys.argv[2])["host"]
    request = urllib.request.Request(f"{host['vars']['address']}/{host['name']}/{step}", data=b"", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as refusal:
        print(f"{host['name']}: {refusal.read().decode()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
