"""One conversation and its turns: what comes in order, is decided, committed and only then leaves."""
