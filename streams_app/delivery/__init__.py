"""The delivery core: a batch of records goes in; when it returns, every effect is committed or a dead letter.

Nothing here knows Faust, Kafka or a database: those are behind the ports of `ports.py`.
"""
