"""Answers that are kept: for the same picture, asked the same of the same model."""
