"""Tests of the package `topfive.provider`."""
