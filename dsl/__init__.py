"""From policy text to a checked program, and the program's meaning."""
