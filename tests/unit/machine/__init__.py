"""Tests of topfive's room `machine`."""
