"""The history on real databases: SQLite, and a PostgreSQL of its own."""
