"""How well models do on what they are sent: /models/{name}/accuracy and /models/{name}/drift."""
