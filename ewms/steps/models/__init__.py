"""Domain models: subscriptions, product blocks, their classes by lifecycle, and how they are stored."""
