"""Random policies and conversations, to try everything else on."""
