"""The broker as data: the services on it, its queues, and the tokens that open them."""
