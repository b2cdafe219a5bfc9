"""Schedules: launch templates at the times of a recurrence rule, each occurrence once."""
