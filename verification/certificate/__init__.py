"""Certificates: what `charter verify` proved, in a file that is checked again without search, by other code."""
