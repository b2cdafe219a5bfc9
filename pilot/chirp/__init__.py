"""Report the pilot's state: to HTCondor by chirp, or into a pipe."""
