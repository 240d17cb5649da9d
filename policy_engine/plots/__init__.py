"""Pictures, drawn with matplotlib (extra `plot`) without a display; readable in black and white.

canvas       the one door to matplotlib: where a picture may go, how it looks, how it is written
roofline     devices' ceilings, with claims and measured points on them
memory       bars of weights, cache and overhead against the memory of devices

None of them imports matplotlib before something is drawn.
"""
