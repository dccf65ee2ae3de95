"""Tests of the package `topfive.catalog`."""
