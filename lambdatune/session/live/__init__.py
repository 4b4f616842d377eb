"""A session in a process of its own, steered from elsewhere: what the screens run, so that they never touch a measurement."""
