"""The dialect of step lists on subscriptions, below /api."""
