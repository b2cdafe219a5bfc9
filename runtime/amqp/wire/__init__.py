"""Frames of events, which we write and read by hand on the library's own connection, because this must be fast.

    frames, properties       the bytes: pure
    confirms, settlements    which event a confirm is for, which acknowledgements go out as one: pure
    tap                      between the socket and the library: takes the frames of events
    publishing, consuming    one channel each, built on the others

The library does all that is rare: it connects, logs in, sends heartbeats, declares, subscribes, and opens and closes
channels.
"""
