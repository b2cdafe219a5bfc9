"""Bring events into and out of the pilot: queues, tokens, payloads, and reports of failed attempts."""
