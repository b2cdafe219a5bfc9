"""The dialect of catalogue tasks, inventories and hosts, below /v1 and /v0."""
