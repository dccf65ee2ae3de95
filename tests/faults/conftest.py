"""Servers for the fault tests: each test starts its own, since it harms it."""
