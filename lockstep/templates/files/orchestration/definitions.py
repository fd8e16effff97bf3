"""What Dagster loads: all assets, checks, jobs, schedules and sensors of this project."""

from pathlib import Path

from lockstep.dagster.definitions import definitions
from lockstep.project.project import Project

defs = definitions(Project.find(Path(__file__)))
