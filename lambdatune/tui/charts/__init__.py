"""Charts as pure functions: data, width and height in; rows of text with roles out. No Textual, no colours."""
