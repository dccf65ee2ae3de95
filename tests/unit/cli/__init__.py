"""Tests of topfive's room `cli`."""
