"""The invocation modes: what each sets up for the clone, how a message is sent, and what AWS tells of it afterwards."""
