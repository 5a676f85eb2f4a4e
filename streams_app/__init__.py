"""Changefeeds through Kafka into regional databases: in order, and exactly once in effect."""
