"""Model stores: bundles in a directory, behind a web server or in a cloud's object store."""
