"""Between the text of a policy and its syntax tree, both ways: words, clauses, the tree, and how it is laid out."""
