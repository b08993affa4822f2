"""Data in: records from databases, their transform, and the ring of batches that keeps the net fed.

In the order data flows: `databases` (`leveldb`, `lmdb`, on `database`) -> `datum` and `images` -> `source` ->
`transform` -> `prefetch` -> `loader`. Beside them what makes databases: `mnist` and `digits`, with `download`.
"""
