"""Trains a model on with further photos, and compares it with the version before."""
