"""Series over the season: what overpasses show of segments and pixels, smoothed curves, the tensor."""
