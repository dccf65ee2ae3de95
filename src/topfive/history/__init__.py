"""What was predicted, and what was right: kept in a database, never with a picture."""
