"""Attempts at events: what pilots report of those that failed or are traced, and how MQS stores and shows them."""
