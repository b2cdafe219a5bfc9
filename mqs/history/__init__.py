"""Keep the history of queues: how many events they held, and how many came and went."""
