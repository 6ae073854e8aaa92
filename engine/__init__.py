"""Runs a program: one turn at a time, every step decided twice, everything recorded before it leaves."""
