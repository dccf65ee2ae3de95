"""Transfer learning: a classifier for one's own classes, of a network that can see already."""
