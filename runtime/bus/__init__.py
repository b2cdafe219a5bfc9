"""The control bus: events, and questions with answers, between services."""
