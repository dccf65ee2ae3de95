"""Lets `python -m topfive` be the same as `topfive`."""

from topfive.cli import main

main()
