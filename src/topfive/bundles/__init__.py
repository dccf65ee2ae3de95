"""A bundle is a model on disk: its manifest, labels, weights and graph, immutable and hashed."""
