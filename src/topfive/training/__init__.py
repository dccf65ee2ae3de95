"""Making bundles: official or local weights exported with their graph, and the digits' training."""
