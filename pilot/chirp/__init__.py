"""What a pilot reports about itself: to HTCondor by chirp, or down a pipe."""
