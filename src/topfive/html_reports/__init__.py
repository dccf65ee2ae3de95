"""What reports have in common: one HTML file that needs nothing else, and the plots in it."""
