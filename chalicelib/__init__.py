"""The image service: use cases, storage and the shapes of its HTTP contracts."""
