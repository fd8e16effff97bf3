"""Times commands in processes of their own; `run` and `compare` run it."""

import json

import pyperf

runner = pyperf.Runner()
runner.argparser.add_argument("--commands", type=json.loads, help="a JSON object: argv by name")
for name, command in runner.parse_args().commands.items():
    runner.bench_command(name, command)
