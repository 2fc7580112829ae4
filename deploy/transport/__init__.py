"""How records travel: Apache Kafka, or a log on this machine's disk; under faust, and never past unfinished work."""
