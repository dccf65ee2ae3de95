"""Upload a picture, get its five most likely classes."""

from importlib.metadata import version

__version__ = version("topfive")
