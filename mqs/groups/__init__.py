"""Manage groups of queues: one for each workflow, from its request until its last queue is deleted."""
