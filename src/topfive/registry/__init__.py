"""Which classifiers are live, and how a missing one is loaded later."""
