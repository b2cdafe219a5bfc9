"""What a request may contain: names, sizes and limits, each checked by pure functions."""
