"""Tests of the package `topfive.bundles`."""
