"""A second graph in int8, calibrated on photos, and kept only where it is as accurate."""
