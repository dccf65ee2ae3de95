"""Tests of topfive's room `server`."""
