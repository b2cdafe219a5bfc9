"""The routes of queues: tokens, depths, history, the events in public queues, and reservations for other sites."""
