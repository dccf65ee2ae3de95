"""One bundle and one engine: from bytes to the most likely classes."""
