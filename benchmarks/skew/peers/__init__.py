"""Other tools that judge data, set up as their documentation says.

Each runs in an environment of its own, or in a process of its own where it is one of the project's
libraries, and gets the same rows: those of the training, and the deliveries of days.
"""
