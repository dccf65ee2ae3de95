"""Which pictures a bulk run is about, and how their bytes are read."""
