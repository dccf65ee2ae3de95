"""Tests of the package `topfive.auth`."""
