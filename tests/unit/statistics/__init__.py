"""Shares, calibration and how far distributions differ."""
