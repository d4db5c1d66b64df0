"""The service as its users meet it: a process, a file, a socket."""
