"""Parcels from elsewhere: registers as segments, and how well segments agree with parcels."""
