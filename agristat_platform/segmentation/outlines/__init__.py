"""Segments as polygons: boundaries along pixel edges, the table of segments, field boundaries for others."""
