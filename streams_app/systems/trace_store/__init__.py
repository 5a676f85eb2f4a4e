"""The trace store: the events of code generation sessions, found by session, by correlation and by what they hold."""
