"""Make an image: read the Dockerfile, get its base images, run buildah, convert the result for apptainer."""
