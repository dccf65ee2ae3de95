"""How small a cache in shared memory may be."""

# A smaller one holds too little to be of use, and LMDB needs room to write beside it.
LEAST_BYTES = 4 * 1024 * 1024
