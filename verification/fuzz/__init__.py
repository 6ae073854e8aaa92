"""Conversations with a hostile outside against every executor at once."""
