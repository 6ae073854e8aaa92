"""A program as terms over the columns of its state, and terms as SMT-LIB."""
