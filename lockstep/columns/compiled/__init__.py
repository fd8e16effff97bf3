"""Compiled predictors: fitted scikit-learn models as plans on arrays."""
