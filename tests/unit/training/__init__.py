"""Tests of topfive's room `training`."""
