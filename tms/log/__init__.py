"""Job event logs: read them, fold them into statuses, report what changed."""
