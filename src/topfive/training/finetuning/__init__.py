"""Trains a bundle of labelled photos: the last layer first, then all of the network."""
