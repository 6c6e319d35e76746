"""What each command of the command line does; cli.py parses, calls these and prints."""
