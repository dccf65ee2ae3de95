"""Many pictures from a directory, a bucket or a table, classified by Ray Data into files.

`inputs` says which pictures are meant and reads them, `results` writes what was found, shard by
shard, `cluster` has Ray do the work, `report` shows what came of it. The only user of Ray.
"""
