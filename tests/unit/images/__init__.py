"""Tests of the package `topfive.images`."""
