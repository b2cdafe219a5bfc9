"""Events of queues as text: failed attempts, dead letters, traces, and the history of queues."""
