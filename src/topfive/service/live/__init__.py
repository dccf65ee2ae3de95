"""How well models do on what they are really sent: accuracy by labels, and drift."""
