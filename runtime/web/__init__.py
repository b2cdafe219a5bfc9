"""The HTTP part of a process: serve routes, check tokens, and limit what hostile callers can do."""
