"""Tests of the package `topfive.admission`."""
