"""The kernel: the store commits each decision in one transaction, and sends its events after the commit."""
