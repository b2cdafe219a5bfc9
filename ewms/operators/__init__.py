"""What operators change while the server runs: they drain places, and give users other quotas."""
