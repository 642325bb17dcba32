"""Mutation tests: each module is changed in one place at a time, and its tests have to notice.

cosmic-ray makes the changes and keeps the session; what is here chooses changes and tests, runs the tests of one change
in a forked process, and writes the table.
"""
