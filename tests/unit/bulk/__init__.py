"""Tests of the package `topfive.bulk` that need no Ray."""
