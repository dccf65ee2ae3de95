"""Tests of the package `topfive.datasets`."""
