"""Mutants: small mistakes in the library, which the tests of what they touch should find."""
