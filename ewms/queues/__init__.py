"""Events into and out of public queues."""
