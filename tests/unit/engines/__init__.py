"""Tests of topfive's room `engines`."""
