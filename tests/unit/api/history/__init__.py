"""Tests of the routes of the history."""
