"""A packed store of pictures: shards in place of many small files."""
