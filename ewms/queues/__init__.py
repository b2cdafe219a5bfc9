"""Publish events onto public queues, and consume events from them."""
