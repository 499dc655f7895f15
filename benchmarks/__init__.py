"""What the project claims about its speed, each claim measured by one command."""
