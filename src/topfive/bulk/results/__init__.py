"""What a bulk run writes: a file for each shard, and the manifest that says which are finished."""
