"""Runtime clients that run inside an execution environment; they import nothing of lambdatune."""
