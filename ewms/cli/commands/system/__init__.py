"""Commands about the system itself: start it, log in, check the way to it, see who changed what."""
