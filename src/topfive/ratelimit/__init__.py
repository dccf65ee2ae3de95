"""How often one client may ask: counters, and the stores that hold them."""
