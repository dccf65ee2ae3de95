"""The Python client, without a service."""
