"""Tenants: who shares the platform, what their topics are called, and what each may use."""
