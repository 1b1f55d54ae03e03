"""The offline twin of AlipayHK: keeps cards, sends signed notices, misbehaves on request.

It speaks HTTP only and knows AlipayHK's side of the wire; it never reads our database and imports
nothing of ours but `alipayhk.signature`.
"""
