"""Test doubles: stand-ins for programs that no package registry serves. Each says in its docstring what it stands in for."""
