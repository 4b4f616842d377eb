"""A session in a process of its own, steered by the screens, so that they never touch a measurement."""
