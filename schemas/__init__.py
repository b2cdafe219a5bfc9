"""The words that all EWMS processes share: ids, phases, statuses, events, documents, API bodies, broker topology.

Nothing here performs I/O, reads a clock or knows a process. `ids`, `phases`, `statuses`, `topology`, `payloads`
and `errors` contain only plain dataclasses and enums, so that the pilot can travel without pydantic.
"""
