"""Other tools, each given the same topics and users as the spec, in the form its own users would write them."""
