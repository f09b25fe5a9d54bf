"""Worlds where every answer is known; write `from closed_forms.linear_gaussian import ...`."""
