"""How small a cache in shared memory may be; apart, so that settings can be read without LMDB."""

# A smaller one holds too little to be of use, and LMDB needs room to write beside it.
LEAST_BYTES = 4 * 1024 * 1024
