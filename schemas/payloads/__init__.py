"""Convert events on message queues to bytes and back: our own events, and those of existing message clients."""
