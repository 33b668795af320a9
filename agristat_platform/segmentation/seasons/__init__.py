"""What became of segments from one season to the next: links, identities, what they carry over."""
