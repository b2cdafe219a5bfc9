"""Copy an image to the cluster locations that need it, and verify it there."""
