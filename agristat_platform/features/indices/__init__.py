"""Spectral and radar indices, their formulas and what units they ask for."""
