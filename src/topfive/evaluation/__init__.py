"""How well a classifier does on labelled photos, through the pipeline that serves."""
