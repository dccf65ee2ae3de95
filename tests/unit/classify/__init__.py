"""Tests of topfive's room `classify`."""
