"""The conductor: plan -> prepare -> load -> decide -> restore; journal, recorder and run directory."""
