"""Read job event logs, fold them into statuses, and report changes."""
