"""Providers for the tests, the demo and the benchmarks: their wire protocols and their faults."""
