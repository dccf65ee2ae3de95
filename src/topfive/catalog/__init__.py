"""Which classifiers are live, and how a missing one comes to life."""
