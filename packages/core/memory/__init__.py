"""Memory: what a run needs, how it is divided into tiles, and the allocator."""
