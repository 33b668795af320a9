"""The wide table: every layer of a season as columns of segments, with its dictionary, and crop history."""
