"""How shards are divided among actors, and what becomes of those that end."""
