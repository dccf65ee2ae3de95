"""Provides bundles that are not here, by running `topfive pull` in a process of its own."""
