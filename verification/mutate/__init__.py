"""A policy with one thing left out: whether anybody would notice."""
