"""The report of a bulk run."""
