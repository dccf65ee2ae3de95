"""Tests of the package `topfive.ratelimit`."""
