"""Segmentation after Shepherd et al. 2019: k-means, clumps, elimination of small segments, for arrays, strips and files."""
