"""The code location of a project without definitions of its own: all of its pipelines.

The project is found from the folder in which Dagster runs.
"""

from lockstep.dagster.definitions import definitions
from lockstep.project.project import Project

defs = definitions(Project.find())
