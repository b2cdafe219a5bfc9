"""Subscriptions and products: what steps bring, how it is stored and read, and where a workflow may start."""
