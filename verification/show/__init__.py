"""Verdicts for people and machines: text, transcripts, JSON, SARIF, JUnit, reports."""
