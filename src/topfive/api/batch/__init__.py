"""POST /predict/batch: many pictures in one request, worked on while they arrive."""
