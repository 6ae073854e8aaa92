"""What a proof rests on, and what would break it."""
