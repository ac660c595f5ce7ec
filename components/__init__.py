"""The platform's components: each has a spec (what the user writes), a render (pure) and a Pulumi component (thin)."""
