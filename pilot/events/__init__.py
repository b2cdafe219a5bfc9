"""Events in and out of the pilot: queues, tokens, payloads, and reports of failed attempts."""
