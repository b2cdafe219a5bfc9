"""Parts of services that run side by side: loops, retries, turns by key, shared work."""
