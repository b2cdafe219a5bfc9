"""Print each notification that comes to http://127.0.0.1:8900/."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Takes notifications."""

    def do_POST(self) -> None:
        """Print what came, and take it."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(f"{told.get('name')}: {told.get('status')}\n{told.get('body')}", flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print no line of the server's own."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 8900), Receiver).serve_forever()
