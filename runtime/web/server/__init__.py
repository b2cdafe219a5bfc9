"""Serve an application with uvicorn, and protect its HTTP/1.1 protocol against hostile peers."""
