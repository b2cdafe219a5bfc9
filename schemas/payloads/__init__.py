"""Events on message queues, to and from bytes: ours, and those of existing message clients."""
