"""Tests of each room by itself, laid out as the source is; no sockets."""
