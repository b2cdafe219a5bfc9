"""Show the engine's runs as processes, which change subscriptions by step lists."""
