"""Tests of each package by itself, laid out as the source is; no sockets."""
