"""Tests of the package `topfive.classify`."""
