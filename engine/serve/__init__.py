"""The server: `charter.v1.Conversations` over gRPC, its processes, and what they may serve."""
