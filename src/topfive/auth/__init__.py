"""API keys, and what each allows."""
