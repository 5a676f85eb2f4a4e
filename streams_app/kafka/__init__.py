"""The Kafka side: Faust keeps membership, assignment, tables, web and CLI; batches take a path of their own."""
