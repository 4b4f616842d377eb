"""How HTTP requests come to functions: HTTP APIs, REST APIs, load balancers, and their payload formats."""
