"""The words that all EWMS processes share: ids, phases, statuses, events, documents, API bodies, broker topology.

This package does no I/O, reads no clock and knows no process. `ids`, `phases`, `statuses`, `topology`, `payloads` and
`errors` contain only plain dataclasses and enums, so that the pilot can use them without pydantic.
"""
