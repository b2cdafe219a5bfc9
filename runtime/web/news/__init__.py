"""Send news to readers that stay connected, as server-sent events."""
