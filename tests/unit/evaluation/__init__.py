"""Tests of the package `topfive.evaluation`."""
