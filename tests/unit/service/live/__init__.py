"""Tests of `topfive.service.live`."""
