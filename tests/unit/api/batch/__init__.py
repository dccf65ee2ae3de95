"""Parsers, answers and readers of batches."""
