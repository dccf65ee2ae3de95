"""The work, done by Ray Data: on this machine, or on a cluster."""
