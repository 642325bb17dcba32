"""Suites: what is generated and what it is scored for."""
