"""Bulk scoring on a real Ray: on this machine, and on several nodes of it."""
