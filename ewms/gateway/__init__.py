"""Call the gateway: find its address, find the user's token, send requests over HTTP."""
