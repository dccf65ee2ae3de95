"""The machine the service runs on: what it has, and how many workers suit it."""
