"""Quality mode: regions grown on the adjacency graph up to what noise and texture explain."""
