"""HAProxy: one address for clients, however many programs stand behind it."""
