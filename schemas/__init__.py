"""The words that all EWMS processes share. This package does no I/O, reads no clock and knows no process.

    errors  ids  registry  stored_enum      what every room needs
    fleet  engine  automation               what WMS keeps: workflows, runs, and tasks on hosts
    events  questions  wire                 what services tell and ask each other
    broker  payloads  attempts              queues, the events in them, and what pilots report of these
    pilot                                   what a pilot gets from its TMS
    api  rules  checks                      what clients send and get, and which requests are good
    causes  explain                         why a workflow stands as it does

The pilot has no pydantic. What it imports from here are plain dataclasses and enums.
"""
