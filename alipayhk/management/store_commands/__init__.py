"""The parts of `./run manage stores`, a module each: `HELP`, `add_arguments(parser)` and `run(command, options)`."""
