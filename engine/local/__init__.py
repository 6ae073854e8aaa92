"""A policy, its agents and tools, up and running on this machine: the demo, the chat and played files."""
