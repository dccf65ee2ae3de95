"""The image that docker/Dockerfile makes, built and run."""
