"""Commands about events: queues, dead letters and traces."""
