"""Labelled photos on disk: read, checked, and split into parts; nothing here needs torch."""
