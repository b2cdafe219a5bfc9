"""`make demo`: the whole system on this machine, and 500 particle tracks through one real workflow of two tasks."""
