"""How the schema came to be, step by step: run by Alembic, kept inside the package."""
