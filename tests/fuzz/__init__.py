"""Fuzz targets; they need atheris and are not run with the other tests."""
