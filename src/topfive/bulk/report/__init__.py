"""What came of a bulk run, as one HTML file."""
