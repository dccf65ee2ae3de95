"""Tests of the package `topfive.machine`."""
