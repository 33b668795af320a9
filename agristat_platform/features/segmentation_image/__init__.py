"""The image that segments are cut from: layers of chosen intervals on one scale."""
