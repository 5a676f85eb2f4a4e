"""Small concurrent transactions beside one large batch, trade capture beside its limit, and how the cycle grows."""
