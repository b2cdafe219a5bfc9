"""The traces of events: which events are traced, and what workers report of them."""
