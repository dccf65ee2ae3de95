"""Tests of the package `topfive.cli`."""
