"""Tests of the package `topfive.history` that need no database."""
