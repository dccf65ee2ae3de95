"""The HTTP face, part by part."""
