"""Statistics of pixels within segments and polygons: moments, percentiles, texture."""
