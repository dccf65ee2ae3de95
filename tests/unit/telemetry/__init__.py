"""Tests of the package `topfive.telemetry`."""
