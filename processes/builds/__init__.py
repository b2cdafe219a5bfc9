"""Build the images of catalogue tasks: fetch the code, build it with buildah, and copy the image to each location."""
