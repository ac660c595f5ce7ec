"""Real servers for the tests: started on loopback, fed, broken, and stopped by process id."""
