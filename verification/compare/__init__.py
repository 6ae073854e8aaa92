"""Two versions of a policy: where they act differently, or a proof that they do not."""
