"""MirrorMaker 2: the standby environment pulls the source's topics, groups, schemas and connector offsets."""
