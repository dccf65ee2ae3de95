"""Tests of the package `topfive.engines`."""
