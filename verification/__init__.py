"""Proofs about programs, and the generated policies and conversations that executors are tested with."""
