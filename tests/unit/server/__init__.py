"""Tests of the package `topfive.server`."""
