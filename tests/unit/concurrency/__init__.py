"""Tests of the package `topfive.concurrency`."""
