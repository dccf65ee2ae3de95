"""Tests of topfive's room `catalog`."""
