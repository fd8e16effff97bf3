"""Other servers of the same fitted models, as their users write them.

Each runs in an environment of its own, reads the live version's files, and predicts with its
scikit-learn models. They import nothing of each other's libraries, nor of MLflow.
"""
