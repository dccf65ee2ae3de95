"""Tests of topfive's room `bundles`."""
