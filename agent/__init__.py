"""One turn of a conversation: understand, judge the mood, fetch, act, answer, check, decide.

Owns the event types, the conversation log and the shop port.
"""
