"""The way to the gateway: where it is, who the user is, and the calls over HTTP."""
