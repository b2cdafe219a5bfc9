"""Manage the broker's data vhost: its queues and policies, how full they are, and how many events went through them."""
