"""Tests of topfive's room `telemetry`."""
