"""The one command line: a table of commands, and the small works that only it asks for."""
