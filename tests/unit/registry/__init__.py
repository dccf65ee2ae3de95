"""Tests of the package `topfive.registry`."""
