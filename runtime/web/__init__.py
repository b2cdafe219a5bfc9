"""The HTTP part of a process: serve routes, check tokens, and limit what hostile callers can do.

    app          serves routes; each belongs to a dialect
    door         lets a request in (`callers`), and reads its body (`bodies`)
    route        a handler with its roles and its model, and what it answers (`answers`, `news`)
    docs         describes the routes
    server       carries the bytes

Each part knows only parts below it; `pyproject.toml` has the exact order.
"""
