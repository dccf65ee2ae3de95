"""How much is at work at once: queue slots, permits to work, memory for decoding."""
