"""Tests of staff: tokens, roles, what each role sees."""
