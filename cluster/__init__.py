"""A Flink cluster on this machine, to try `RUNNER=flink` and to test it; not for production."""
