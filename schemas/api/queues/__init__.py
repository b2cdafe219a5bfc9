"""The bodies of the routes of queues: profiles, depths, events and history."""
