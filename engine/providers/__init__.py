"""The outside that a turn asks: agents and tools over gRPC, each answer bounded and in time."""
