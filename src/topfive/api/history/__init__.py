"""GET /predictions and what is below it: what was predicted, the truth about it, and exports."""
