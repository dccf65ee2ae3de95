"""Tests of `topfive.api.live`."""
