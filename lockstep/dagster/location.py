"""What Dagster loads of a project that has no definitions of its own: all of its pipelines.

The project is that of the folder in which Dagster runs.
"""

from lockstep.dagster.definitions import definitions
from lockstep.project.project import Project

defs = definitions(Project.find())
