"""Files and blobs on every file system that fsspec knows, for pegboard."""
