"""Tests of the package `topfive.stores`."""
