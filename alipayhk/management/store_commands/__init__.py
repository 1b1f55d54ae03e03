"""The parts of `./run manage stores`, a module each: `HELP`, `add_arguments(parser)`, `handle(command, **options)`."""
