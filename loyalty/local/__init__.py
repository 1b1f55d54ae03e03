"""Everything that makes the project run on one machine: environment, embedded servers, supervision, commands.

Standard library only, and it imports nothing else of ours: it must work before anything is installed.
"""
