"""Tests of the package `topfive.bulk.results`."""
