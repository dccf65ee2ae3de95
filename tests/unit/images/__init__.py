"""Tests of topfive's room `images`."""
