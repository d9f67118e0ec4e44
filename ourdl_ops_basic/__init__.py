"""Basic ops: elementwise, reductions, shapes, linear algebra, indexing."""
