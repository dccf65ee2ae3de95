"""Tests of the package `topfive.service`."""
