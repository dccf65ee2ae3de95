"""Tests of the package `topfive.training`."""
