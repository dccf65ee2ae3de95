"""Tests of topfive's room `admission`."""
