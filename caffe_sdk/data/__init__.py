"""Data in: records from databases, their transform, and the ring of batches that keeps the net fed.

In the order data flows: `databases` (`leveldb`, `lmdb`, on `database`) -> `datum` and `images` -> `source` and
`image_list` (on `indexed`) -> `transform`, `augment` -> `prefetch` -> `loader`. Beside them what makes databases
(`image_set`, `classics` with `mnist`, `cifar` and `download`, `digits`) and what looks into them (`mean`,
`inspection`, `sheet`).
"""
