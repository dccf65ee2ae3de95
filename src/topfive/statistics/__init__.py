"""Numbers about numbers: shares and their intervals, calibration, how far distributions differ."""
