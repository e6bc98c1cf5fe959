"""The smaller commands of the command line: look at a site file, at this machine, at the databases."""
