"""From hostile bytes to pixels: sniff, decode under limits, preprocess."""
