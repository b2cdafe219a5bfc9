"""Authors try their tasks here: build the image, run it once."""
