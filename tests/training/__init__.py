"""Tests: training, evaluation, quantization and import, for real."""
